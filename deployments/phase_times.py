"""How long each phase of a run takes, from a machine's launch until it is proven gone (pure).

Where past machines have told, their middle half is taken; otherwise these ranges. Boot: Lambda
names 3 to 5 minutes for one GPU, others measured 238 to 333 s (lambda-cloud-api.md section 6).
Everything else is not measured on a GPU machine yet and therefore wide.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployments import estimate
from deployments.estimate import ModelShape, Range, Work
from deployments.timing import Timing

BOOT, PREPARE, TRAIN, HOME, END = "Boot", "Prepare", "Train", "Bring home", "End and prove"
WORDS = (BOOT, PREPARE, TRAIN, HOME, END)
USUAL = "usual times"
STAND_IN = "a CPU stands in for the GPU: its speed is not known"
NO_FIGURES = "we have no figures of this card: from the slowest to the fastest we know"

BOOT_SECONDS = Range(180.0, 330.0)
# Packages on an image that has its own torch, and on one that has none.
INSTALL_SECONDS = Range(45.0, 240.0)
# The stack's imports, a look at the data, and the first step.
START_SECONDS = Range(20.0, 60.0)
# Bytes a second: from the Hub to a cloud, from a disk to the GPU, between us and the machine.
HUB_RATE = Range(80e6, 400e6)
LOAD_RATE = Range(0.5e9, 2e9)
OUR_RATE = Range(2e6, 40e6)
HOME_SECONDS = Range(10.0, 40.0)
# A stand-in boots as fast as its host makes it.
STAND_IN_BOOT_SECONDS = Range(5.0, 330.0)
STAND_IN_OPERATIONS = Range(2e9, 2e11)
STAND_IN_STEP_SECONDS = Range(0.05, 2.0)
# A T4 and a B200 (cards.py).
SLOWEST_TFLOPS, FASTEST_TFLOPS = 65.0, 2250.0


@dataclass(frozen=True)
class Told:
    """What past machines took, by phase, and how many of them told."""

    seconds: Range[float]
    basis: str


@dataclass(frozen=True)
class Phase:
    """One phase: how long, and what that is known from."""

    word: str
    seconds: Range[float]
    basis: str = USUAL


@dataclass(frozen=True)
class Run:
    """What the phases' times depend on. ``peak_tflops`` None: we have no figures of the card."""

    shape: ModelShape
    work: Work
    adapter_bytes: int
    data_bytes: int
    is_local_model: bool
    peak_tflops: float | None
    is_stand_in: bool
    gpu_count: int = 1


def phases(run: Run, *, timing: Timing, told: Mapping[str, Told]) -> tuple[Phase, ...]:
    """Return the five phases of one machine; none is shorter than zero."""
    usual = {
        BOOT: STAND_IN_BOOT_SECONDS if run.is_stand_in else BOOT_SECONDS,
        PREPARE: _prepare(run),
        HOME: _plus(HOME_SECONDS, _transfer(run.adapter_bytes, OUR_RATE)),
        END: _end(timing),
    }
    found = []
    for word in WORDS:
        if word == TRAIN:
            found.append(_train(run))
        elif word in told:
            found.append(Phase(word, told[word].seconds, told[word].basis))
        else:
            found.append(Phase(word, usual[word]))
    return tuple(found)


def total(seconds: Iterable[Range[float]]) -> Range[float]:
    """Return the time of all phases, one after the other."""
    return _plus(*seconds)


def _train(run: Run) -> Phase:
    if run.is_stand_in:
        return Phase(TRAIN, _on_a_cpu(run.work), STAND_IN)
    if run.peak_tflops is None:
        cards = run.gpu_count
        slowest = estimate.train_seconds(run.work, peak_tflops=SLOWEST_TFLOPS, gpu_count=cards)
        fastest = estimate.train_seconds(run.work, peak_tflops=FASTEST_TFLOPS, gpu_count=cards)
        return Phase(TRAIN, Range(fastest.low, slowest.high), NO_FIGURES)
    seconds = estimate.train_seconds(run.work, peak_tflops=run.peak_tflops, gpu_count=run.gpu_count)
    low, high = estimate.mfu(run.work)
    basis = f"{100 * low:g} to {100 * high:g} % of {run.peak_tflops:g} TFLOPS"
    if run.gpu_count > 1:
        basis += f" on each of {run.gpu_count} GPUs"
    return Phase(TRAIN, seconds, basis)


def _on_a_cpu(work: Work) -> Range[float]:
    operations = estimate.operations(work)
    return Range(
        operations / STAND_IN_OPERATIONS.high + work.steps * STAND_IN_STEP_SECONDS.low,
        operations / STAND_IN_OPERATIONS.low + work.steps * STAND_IN_STEP_SECONDS.high,
    )


def _prepare(run: Run) -> Range[float]:
    model_bytes = 2 * run.shape.parameters
    fetch = _transfer(model_bytes, OUR_RATE if run.is_local_model else HUB_RATE)
    parts = [START_SECONDS, fetch, _transfer(run.data_bytes, OUR_RATE)]
    if not run.is_stand_in:
        parts += [INSTALL_SECONDS, _transfer(model_bytes, LOAD_RATE)]
    return _plus(*parts)


def _end(timing: Timing) -> Range[float]:
    """Two good lists, and what the cloud takes to drop a machine from them."""
    low = timing.proof_interval_seconds + timing.poll_seconds
    return Range(low, low + timing.terminate_reserve_seconds)


def _transfer(size_bytes: int, rate: Range[float]) -> Range[float]:
    return Range(size_bytes / rate.high, size_bytes / rate.low)


def _plus(*parts: Range[float]) -> Range[float]:
    return Range(sum(part.low for part in parts), sum(part.high for part in parts))
