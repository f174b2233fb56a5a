"""Series out of buckets: the drawn points, the smoothed line, and what lies along x. Pure."""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployments import bucketing
from deployments.bucketing import Bucket

SMOOTHING = 0.8
# (x, y); a missing y lifts the pen.
Point = tuple[float, float | None]


def drawn(buckets: Sequence[Bucket]) -> list[Point]:
    """Return the points of a series: each bucket's extremes in order, and the newest value."""
    points: list[Point] = []
    for bucket in buckets:
        ends = {(bucket.low_step, bucket.low), (bucket.high_step, bucket.high)}
        points += sorted(
            ((float(step), value) for step, value in ends if step is not None),
            key=lambda point: point[0],
        ) or [(float(bucket.last_step), None)]
    newest = (float(buckets[-1].last_step), buckets[-1].last) if buckets else None
    return [*points, newest] if newest and points[-1] != newest else points


class Smoother:
    """A running mean that forgets slowly; without the bias of its first values."""

    def __init__(self) -> None:
        self._kept = 0.0
        self._weight = 0.0

    def add(self, value: float, *, times: int = 1) -> float:
        """Take a value so many times and return the mean with it."""
        share = 1 - SMOOTHING**times
        self._kept += share * (value - self._kept)
        self._weight += share * (1 - self._weight)
        return self._kept / self._weight


def smoothed(buckets: Iterable[Bucket]) -> list[tuple[float, float]]:
    """Return the smoothed line; a bucket of several steps counts as so many times its mean."""
    smoother = Smoother()
    return [
        (float(bucket.last_step), smoother.add(bucket.mean, times=bucket.count))
        for bucket in buckets
        if bucket.mean is not None
    ]


def thinned(buckets: Sequence[Bucket], *, limit: int) -> Sequence[Bucket]:
    """Return at most ``limit`` buckets, for a drawing that has no room for more."""
    if len(buckets) <= limit:
        return buckets
    starts = [bucket.start for bucket in buckets]
    width = bucketing.fitting_width(starts, width=buckets[0].width, limit=limit)
    return bucketing.merged(buckets, width=width)


def finite(points: Iterable[Point]) -> list[tuple[float, float]]:
    """Return the points that have a value."""
    return [(x, y) for x, y in points if y is not None]


@dataclass(frozen=True)
class Along:
    """Where each step lies on an x axis: between known places in a straight line."""

    steps: tuple[float, ...]
    places: tuple[float, ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> "Along":
        """Take (step, place) pairs in order of step; a place never lies before an earlier one."""
        steps: list[float] = []
        places: list[float] = []
        for step, place in pairs:
            steps.append(step)
            places.append(max(place, places[-1]) if places else place)
        return cls(tuple(steps), tuple(places))

    def place(self, step: float) -> float:
        """Return the place of a step; before the first known one and after the last, theirs."""
        if not self.steps:
            return step
        at = bisect.bisect_left(self.steps, step)
        if at == 0:
            return self.places[0]
        if at == len(self.steps):
            return self.places[-1]
        before, after = self.steps[at - 1], self.steps[at]
        share = (step - before) / (after - before)
        return self.places[at - 1] + share * (self.places[at] - self.places[at - 1])


def counted_on(values: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a counter by step that goes on where a new machine began to count from zero."""
    points: list[tuple[float, float]] = []
    before, offset = 0.0, 0.0
    for step, value in values:
        if value < before:
            offset += before
        before = value
        points.append((step, value + offset))
    return points
