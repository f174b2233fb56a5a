"""Metrics in buckets of steps, so that a run of a million points stays cheap to show. Pure.

A bucket keeps what a drawing needs of its steps: the lowest and the highest value with their
steps, the mean, and the newest value. Widths are powers of two, so that two neighbours always
make one bucket of the next width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

# A bucket is drawn as two points, its extremes, and the newest value as one more: 799 a series.
MAX_BUCKETS = 399


@dataclass(frozen=True, slots=True)
class Told:
    """One value of one metric; None where the trainer reported a number that is not finite."""

    step: int
    value: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the steps from ``start`` up to ``start + width`` told of one metric.

    ``count`` and ``total`` are of the finite values; ``low`` to ``high_step`` are None without any.
    """

    start: int
    width: int
    count: int
    total: float
    low: float | None
    low_step: int | None
    high: float | None
    high_step: int | None
    last: float | None
    last_step: int
    last_at: datetime

    @property
    def mean(self) -> float | None:
        """The mean of the finite values."""
        return self.total / self.count if self.count else None


def bucketed(told: Iterable[Told], *, width: int) -> list[Bucket]:
    """Return values in order of step as buckets of ``width`` steps; empty ones are left out."""
    parts = groupby(told, key=lambda each: each.step - each.step % width)
    return [_bucket(start, width, list(part)) for start, part in parts]


def merged(buckets: Iterable[Bucket], *, width: int) -> list[Bucket]:
    """Return buckets in order of step as wider ones; ``width`` is a multiple of theirs."""
    parts = groupby(buckets, key=lambda each: each.start - each.start % width)
    return [_joined(start, width, list(part)) for start, part in parts]


def fitting_width(starts: Iterable[int], *, width: int, limit: int = MAX_BUCKETS) -> int:
    """Return ``width``, doubled until at most ``limit`` buckets hold these starts."""
    held = set(starts)
    while len(held) > limit:
        width *= 2
        held = {start - start % width for start in held}
    return width


def width_over(first: int, last: int, *, limit: int = MAX_BUCKETS) -> int:
    """Return the smallest width at which at most ``limit`` buckets hold all steps between two."""
    width = 1
    while last // width - first // width >= limit:
        width *= 2
    return width


def _bucket(start: int, width: int, told: Sequence[Told]) -> Bucket:
    finite = [(each.value, each.step) for each in told if each.value is not None]
    low, low_step = min(finite, default=(None, None))
    high, high_step = max(finite, default=(None, None), key=lambda pair: (pair[0], -pair[1]))
    return Bucket(
        start=start,
        width=width,
        count=len(finite),
        total=_sum(value for value, _ in finite),
        low=low,
        low_step=low_step,
        high=high,
        high_step=high_step,
        last=told[-1].value,
        last_step=told[-1].step,
        last_at=told[-1].at,
    )


def _joined(start: int, width: int, buckets: Sequence[Bucket]) -> Bucket:
    filled = [each for each in buckets if each.low is not None and each.high is not None]
    # Of equal extremes the earliest one stays, as among single values.
    low = min(filled, default=None, key=lambda each: (each.low, each.low_step))
    high = max(filled, default=None, key=lambda each: (each.high, -(each.high_step or 0)))
    return Bucket(
        start=start,
        width=width,
        count=sum(each.count for each in buckets),
        total=_sum(each.total for each in buckets),
        low=low.low if low else None,
        low_step=low.low_step if low else None,
        high=high.high if high else None,
        high_step=high.high_step if high else None,
        last=buckets[-1].last,
        last_step=buckets[-1].last_step,
        last_at=buckets[-1].last_at,
    )


def _sum(values: Iterable[float]) -> float:
    """Return the sum, held within what a database keeps: a machine may tell 1e308 twice (F42)."""
    return max(-1.7e308, min(1.7e308, sum(values)))
