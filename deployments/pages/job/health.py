"""What a run's figures say about its health, in words with evidence. Pure.

Each note is one rule: a threshold with its reason, what must be known, and what is then said. A
rule that lacks figures says nothing; a page with no note says that there is nothing to say.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deployments.templatetags.wording import counted, duration, figure, moment_exact

OK, INFO, WARN, BAD = "ok", "info", "warn", "bad"
ICONS = {
    OK: "check-circle-fill",
    INFO: "info-circle",
    WARN: "exclamation-triangle-fill",
    BAD: "x-circle-fill",
}

# Loss is noisy from step to step: two windows of at least this many values are compared.
WINDOW = 10
MOST_IN_A_WINDOW = 50
# A change smaller than this share of the loss is called flat: over a whole window a run that
# still learns moves by more, and the eye sees none.
FLAT_SHARE = 0.01
# ... and smaller than twice the standard error of the two means, so that noise is no trend.
SURE_ERRORS = 2.0
# Five values of which each is above all of the twenty before them: by chance once in 53,000 looks;
# a quarter more in the mean is no slow drift either.
FEW, BEFORE, DIVERGED_TIMES = 5, 20, 1.25
# One evaluation that is worse may be chance; the second rise in a row is the usual sign.
RISES_IN_A_ROW = 2
# Rises smaller than this share are evaluation noise (order of rows, dropout is off).
EVAL_NOISE_SHARE = 0.002
# A gradient this many times the median of its neighbours was not of the same kind.
SPIKE_TIMES = 10.0
# Fewer values have no meaningful median.
SPIKE_NEEDS = 20
# Above this share of the card one longer row is enough to run out of memory.
NEARLY_FULL = 0.92
# Below this share a larger micro-batch is worth a word.
ROOM = 0.65
# What may be filled without fear: the rest is for rows longer than those seen, and fragments.
FILL_TO = 0.90
# A GPU that computes is above 90 %; below half it waits more than it works.
IDLE_PERCENT = 50.0
# One look may fall on an evaluation or on saving; the mean of five tells of the training.
LOOKS = 5
# A minute without a line is four missed heartbeats of 15 s: more than a slow read explains.
QUIET_SECONDS = 60.0
MIB_A_GIB = 1024


@dataclass(frozen=True)
class Note:
    """One finding: its tone is ok, info, warn or bad; ``evidence`` has the numbers."""

    tone: str
    title: str
    evidence: str

    @property
    def icon(self) -> str:
        """The icon that repeats the tone."""
        return ICONS[self.tone]


Values = Sequence[tuple[int, float | None]]


@dataclass(frozen=True)
class Readings:
    """What is known of a run: (step, value) in order of step; None is a number not finite.

    ``is_training`` is False before the first step and after the last; ``heartbeat`` is the newest
    one of the machine, ``gpu_percents`` how busy its card was at the last looks, ``news_at`` when
    anything new came, ``looked_at`` when we last looked.
    """

    now: datetime
    is_training: bool
    train_loss: Values = ()
    eval_loss: Values = ()
    grad_norm: Values = ()
    learning_rate: float | None = None
    micro_batch: int | None = None
    heartbeat: Mapping[str, Any] = field(default_factory=dict)
    gpu_percents: Sequence[float] = ()
    is_stand_in: bool = False
    news_at: datetime | None = None
    looked_at: datetime | None = None


def notes(readings: Readings) -> tuple[Note, ...]:
    """Return what there is to say, in the order of the rules: the weightiest first."""
    found = (rule(readings) for rule in RULES)
    return tuple(note for note in found if note is not None)


def not_finite(readings: Readings) -> Note | None:
    """A loss that is not a number: what is learnt after it is worth nothing (F47).

    Gradients are left out: in fp16 the first ones overflow on purpose.
    """
    for name, values in (("train", readings.train_loss), ("eval", readings.eval_loss)):
        bad = [step for step, value in values if value is None]
        if bad:
            more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
            seen = f"{name} loss at step {bad[0]:,}{more}"
            return Note(BAD, "A loss is not a number", f"{seen}; a lower learning rate may help")
    return None


def loss_trend(readings: Readings) -> Note | None:
    """Falling, flat or rising: the mean of the newest values against as many before them.

    A loss that shot up in the last few steps is told at once, while those means hide it.
    """
    values = _finite(readings.train_loss)
    diverged = _diverged(values)
    if diverged is not None:
        return diverged
    window = min(MOST_IN_A_WINDOW, len(values) // 2)
    if window < WINDOW:
        return None
    before, newest = values[-2 * window : -window], values[-window:]
    old, new = _mean(before), _mean(newest)
    change, since = new - old, newest[0][0]
    seen = f"train {figure(new)}, {_by(change)} since step {since:,}"
    error = math.hypot(_standard_error(before), _standard_error(newest))
    if abs(change) < max(FLAT_SHARE * abs(old), SURE_ERRORS * error):
        return Note(
            INFO, "Loss is flat", f"train {figure(new)}, hardly changed since step {since:,}"
        )
    if change < 0:
        return Note(OK, "Loss is falling", seen)
    return Note(WARN, "Loss is rising", f"{seen}; a lower learning rate may help")


def _diverged(values: Sequence[tuple[int, float]]) -> Note | None:
    before, newest = values[-FEW - BEFORE : -FEW], values[-FEW:]
    if len(before) < BEFORE or min(newest, key=_value)[1] <= max(before, key=_value)[1]:
        return None
    old, new = _mean(before), _mean(newest)
    if not new > DIVERGED_TIMES * old > 0:
        return None
    seen = f"train {figure(new)}, was {figure(old)} before step {newest[0][0]:,}"
    return Note(WARN, "Loss shoots up", f"{seen}; a lower learning rate may help")


def overfitting(readings: Readings) -> Note | None:
    """The evaluation loss rises while training goes on: it learns the rows by heart."""
    values = _finite(readings.eval_loss)
    if len(values) < 2:
        return None
    step, newest = values[-1]
    rises, falls = _in_a_row(values, up=True), _in_a_row(values, up=False)
    best_step, best = min(values, key=_value)
    if rises >= RISES_IN_A_ROW:
        seen = f"eval {figure(newest)} at step {step:,}, {_nth(rises)} rise in a row"
        return Note(WARN, "A sign of overfitting", f"{seen}; best {figure(best)} at {best_step:,}")
    if rises:
        seen = f"eval {figure(newest)}, up from {figure(values[-2][1])}; one rise may be chance"
        return Note(INFO, "The last evaluation was worse", seen)
    if falls == 0:
        return Note(OK, "No sign of overfitting", f"eval {figure(newest)}, as it was")
    told = f"{_nth(falls)} fall in a row" if falls > 1 else f"down from {figure(values[-2][1])}"
    return Note(OK, "No sign of overfitting", f"eval {figure(newest)}, {told}")


def gradient_spikes(readings: Readings) -> Note | None:
    """Gradients far above their neighbours: rows unlike the others, or a rate that is too high."""
    values = _finite(readings.grad_norm)
    if len(values) < SPIKE_NEEDS:
        return None
    usual = statistics.median(value for _, value in values)
    spikes = [(step, value) for step, value in values if value > SPIKE_TIMES * usual > 0]
    if not spikes:
        return None
    step, value = max(spikes, key=_value)
    seen = f"{figure(value)} at step {step:,}, usually {figure(usual)}"
    more = f"; {counted(len(spikes), 'spike')} lately" if len(spikes) > 1 else ""
    return Note(WARN, "The gradient spikes", seen + more)


def learning_rate_zero(readings: Readings) -> Note | None:
    """Steps at a rate of zero cost money and change nothing; the last step of a schedule may."""
    if readings.learning_rate != 0 or not readings.is_training or len(readings.train_loss) < 2:
        return None
    return Note(WARN, "The learning rate is zero", "nothing is learnt at this step")


def card_memory(readings: Readings) -> Note | None:
    """How full the card is, with the micro-batch that would use it, or spare it.

    What a micro-batch needs grows at most in proportion to all that is used now, since the model
    itself does not grow: so the number said is one that surely fits.
    """
    used, total = _card(readings)
    if used is None or total is None or not readings.is_training:
        return None
    share = used / total
    seen = f"{used:.1f} of {total:.1f} GB in use".replace(".0 GB", " GB")
    batch = readings.micro_batch
    if share >= NEARLY_FULL:
        smaller = (
            f"; a micro-batch of {max(1, batch // 2)} would need less"
            if batch and batch > 1
            else ""
        )
        return Note(WARN, "The card is nearly full", seen + smaller)
    if share > ROOM:
        return None
    larger = int(batch * FILL_TO * total / used) if batch else 0
    fits = f"; a micro-batch of {larger} would fit" if batch and larger > batch else ""
    return Note(INFO, "The card has room", seen + fits)


def idle_gpu(readings: Readings) -> Note | None:
    """A GPU that waits is paid for: data is slow, rows are short, or the batch is small."""
    looks = readings.gpu_percents
    if len(looks) < LOOKS or not readings.is_training or readings.is_stand_in:
        return None
    busy = statistics.fmean(looks)
    if busy >= IDLE_PERCENT:
        return None
    seen = f"{busy:.0f} % busy over the last {len(looks)} looks"
    return Note(WARN, "The GPU waits", f"{seen}; a larger micro-batch keeps it busier")


def no_news(readings: Readings) -> Note | None:
    """Nothing new has come although we look: the machine may be lost; silence is counted (F43)."""
    if readings.news_at is None or not readings.is_training:
        return None
    silent = (readings.now - readings.news_at).total_seconds()
    if silent < QUIET_SECONDS:
        return None
    looked = f"; last look {moment_exact(readings.looked_at)}" if readings.looked_at else ""
    return Note(
        WARN, f"No news for {duration(silent)}", f"since {moment_exact(readings.news_at)}{looked}"
    )


Rule = Callable[[Readings], Note | None]
RULES: tuple[Rule, ...] = (
    not_finite,
    no_news,
    loss_trend,
    overfitting,
    gradient_spikes,
    learning_rate_zero,
    card_memory,
    idle_gpu,
)


def _finite(values: Values) -> list[tuple[int, float]]:
    return [(step, value) for step, value in values if value is not None]


def _value(pair: tuple[int, float]) -> float:
    return pair[1]


def _mean(pairs: Sequence[tuple[int, float]]) -> float:
    return statistics.fmean(value for _, value in pairs)


def _standard_error(pairs: Sequence[tuple[int, float]]) -> float:
    return statistics.stdev(value for _, value in pairs) / math.sqrt(len(pairs))


def _by(change: float) -> str:
    return f"{'down' if change < 0 else 'up'} {abs(change):.2g}"


def _in_a_row(values: Sequence[tuple[int, float]], *, up: bool) -> int:
    """Return how many of the newest steps from value to value go the same way."""
    number = 0
    for (_, before), (_, after) in zip(values[-2::-1], values[:0:-1], strict=True):
        change = after - before if up else before - after
        if change <= EVAL_NOISE_SHARE * abs(before):
            break
        number += 1
    return number


def _nth(number: int) -> str:
    words = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}
    return words.get(number, f"{number}th")


def _gpu(readings: Readings) -> Mapping[str, Any]:
    gpus = readings.heartbeat.get("gpus")
    first = gpus[0] if isinstance(gpus, list) and gpus else None
    return first if isinstance(first, Mapping) else {}


def _card(readings: Readings) -> tuple[float | None, float | None]:
    """Return used and whole memory of the card in GiB, which is what cards are sold by."""
    gpu = {} if readings.is_stand_in else _gpu(readings)
    used, total = _number(gpu.get("memory_used_mib")), _number(gpu.get("memory_total_mib"))
    if used is None or not total:
        return None, None
    return used / MIB_A_GIB, total / MIB_A_GIB


def _number(value: object) -> float | None:
    """Return a figure that a machine told, None for what is none (T3)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
