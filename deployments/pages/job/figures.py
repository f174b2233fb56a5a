"""The row of figures above the money: progress, epoch, time, what is left, machine. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview, MachineOverview
from deployments.pages import machine_facts, status_words
from deployments.pages.machine_facts import Freshness
from deployments.pages.money import ENOUGH_STEPS, Likely
from deployments.templatetags.wording import (
    NOT_KNOWN,
    about,
    duration,
    moment,
    moment_exact,
    percent,
    usd,
)


@dataclass(frozen=True)
class Figure:
    """A label, the figure that matters, and what belongs to it."""

    label: str
    value: str
    beside: str = ""


def figures(
    run: DeploymentOverview,
    machine: MachineOverview | None,
    *,
    freshness: Freshness | None,
    likely: Likely | None,
    epochs: float | None,
    now: datetime,
) -> tuple[Figure, ...]:
    """Return the figures of a run that goes on.

    ``machine`` is the newest that was rented, ``freshness`` when the cloud last confirmed it,
    ``likely`` where the run will end, ``epochs`` how often it passes over its data.
    """
    until = run.completed_at or now
    elapsed = Figure("Elapsed", duration((until - run.created_at).total_seconds()))
    left = [_left(run, likely, now=now)] if run.status == Status.TRAINING else []
    return (*_progress(run, epochs), elapsed, *left, _machine(run, machine, freshness))


def _progress(run: DeploymentOverview, epochs: float | None) -> Iterator[Figure]:
    progress = run.progress
    if progress is None or progress.step is None:
        yield Figure("Now", status_words.WORDS[Status(run.status)][0], status_words.finer_step(run))
        return
    total = f" of {progress.total_steps:,}" if progress.total_steps else ""
    yield Figure("Progress", percent(progress.percent), f"step {progress.step:,}{total}")
    if progress.epoch is not None:
        yield Figure("Epoch", f"{progress.epoch:.2f}", f"of {epochs:g}" if epochs else "")


def _left(run: DeploymentOverview, likely: Likely | None, *, now: datetime) -> Figure:
    left = run.progress.seconds_remaining if run.progress else None
    if left is None or likely is None:
        return Figure("Left", NOT_KNOWN, f"after {ENOUGH_STEPS} steps")
    if run.attention:
        # When the machine is gone is not ours to say while it cannot be ended.
        return Figure("Training ends", f"about {moment(now + timedelta(seconds=left))}")
    gone_by = now + timedelta(seconds=likely.high_seconds)
    return Figure("Left", about(left), f"gone by {moment(gone_by)}")


def _machine(
    run: DeploymentOverview, machine: MachineOverview | None, freshness: Freshness | None
) -> Figure:
    if machine is None:
        gpu = "cheapest free" if run.instance_type == "auto" else run.instance_type
        limit = usd(run.max_hourly_price)
        return Figure("Machine", "none yet", f"{gpu}, up to {limit} an hour")
    gpu = machine_facts.gpu_words(machine)
    if freshness and not freshness.is_good and machine.seen_at:
        return Figure("Machine", gpu, f"last confirmed {moment_exact(machine.seen_at)}")
    return Figure("Machine", gpu, f"{machine.place} · {usd(machine.hourly)} an hour")
