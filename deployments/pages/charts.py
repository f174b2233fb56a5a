"""The loss chart and the small ones, drawn on the server as SVG geometry. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployments.history import Series

# More points than this no screen shows: longer series are thinned out evenly.
MAX_POINTS = 400
SMOOTHING = 0.8
TICKS_ABOUT = 5


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and the word beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """A place in the plot."""

    x: float
    y: float


@dataclass(frozen=True)
class Plot:
    """One drawing of the chart in one size; paths are SVG path data."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    epochs: tuple[Tick, ...]
    raw: str
    smooth: str
    evaluations: str
    eval_points: tuple[Point, ...]
    newest: Point | None

    @property
    def label_y(self) -> float:
        """Where the words below the plot stand."""
        return self.bottom + 24

    @property
    def label_x(self) -> float:
        """Where the words left of the plot end."""
        return self.left - 10


@dataclass(frozen=True)
class LossChart:
    """Everything the loss chart shows; ``plots`` are a wide drawing and one for phones."""

    newest_train: float | None
    newest_eval: float | None
    best_eval: float | None
    best_step: int | None
    first_train: float | None
    steps: int
    wide: Plot
    phone: Plot

    @property
    def sentence(self) -> str:
        """The chart in one sentence, for who does not see it."""
        told = f"Training loss over {self.steps:,} steps"
        if self.first_train is not None and self.newest_train is not None:
            told += f", from {self.first_train:.3f} to {self.newest_train:.3f}"
        if self.newest_eval is not None:
            told += f"; evaluation loss now {self.newest_eval:.3f}"
        return told + "."


def loss_chart(
    train: Series | None, evaluation: Series | None, *, total_steps: int | None, epochs: float
) -> LossChart | None:
    """Return the chart, or None before the first finite value.

    ``epochs`` is how often the data is passed over in ``total_steps`` steps.
    """
    points = _finite(train)
    if not points:
        return None
    smooth = _smoothed(points)
    measured = _finite(evaluation)
    best = min(measured, key=lambda point: point[1], default=None)
    span = _Span.of([*points, *measured], total_steps=total_steps)
    marks = _epoch_marks(total_steps, epochs)
    raw = points if train is None or len(points) == len(train.value) else _with_gaps(train)

    def plot(width: int, height: int, *, x_about: int) -> Plot:
        return _plot(
            _Frame(width, height),
            span,
            x_about=x_about,
            marks=marks,
            raw=raw,
            smooth=smooth,
            measured=measured,
        )

    return LossChart(
        newest_train=smooth[-1][1],
        newest_eval=measured[-1][1] if measured else None,
        best_eval=best[1] if best else None,
        best_step=int(best[0]) if best else None,
        first_train=points[0][1],
        steps=int(points[-1][0]),
        wide=plot(780, 340, x_about=6),
        phone=plot(330, 240, x_about=3),
    )


@dataclass(frozen=True)
class Sparkline:
    """A loss in the size of a word; ``path`` in a field of 104 by 28."""

    path: str
    newest: Point
    steps: int


def sparkline(points: Sequence[tuple[int, float]], *, total_steps: int | None) -> Sparkline | None:
    """Return a small drawing of (step, loss) pairs in order; None with fewer than two."""
    if len(points) < 2:
        return None
    span = _Span.of([(float(step), value) for step, value in points], total_steps=total_steps)
    frame = _Frame(104, 28, left=2, right=98, top=4, bottom=24)
    placed = [frame.place(span, float(step), value) for step, value in points]
    return Sparkline(path=_path(placed), newest=placed[-1], steps=points[-1][0])


def smoothed(series: Series) -> dict[int, float]:
    """Return the smoothed value at each step that has a finite one, as the chart draws it."""
    return {int(step): round(value, 6) for step, value in _smoothed(_finite(series))}


@dataclass(frozen=True)
class _Span:
    """The part of the plane that is shown."""

    x_high: float
    y_low: float
    y_high: float
    y_step: float

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]], *, total_steps: int | None) -> "_Span":
        low, high = min(y for _, y in points), max(y for _, y in points)
        if high - low < 1e-9:
            low, high = low - 0.5, high + 0.5
        step = nice_step(high - low, about=TICKS_ABOUT)
        return cls(
            x_high=float(max(total_steps or 0, max(x for x, _ in points), 1)),
            y_low=math.floor(low / step) * step,
            y_high=math.ceil(high / step) * step,
            y_step=step,
        )


@dataclass(frozen=True)
class _Frame:
    """A drawing's size and the plot's place in it."""

    width: int
    height: int
    left: float = 48
    right: float = -1
    top: float = 28
    bottom: float = -1

    def place(self, span: _Span, x: float, y: float) -> Point:
        wide, high = self.x_end - self.left, self.y_end - self.top
        share = (y - span.y_low) / (span.y_high - span.y_low)
        return Point(
            round(self.left + wide * x / span.x_high, 1), round(self.y_end - high * share, 1)
        )

    @property
    def x_end(self) -> float:
        return self.right if self.right > 0 else self.width - 12

    @property
    def y_end(self) -> float:
        return self.bottom if self.bottom > 0 else self.height - 34


def _plot(
    frame: _Frame,
    span: _Span,
    *,
    x_about: int,
    marks: Sequence[tuple[int, str]],
    raw: Sequence[tuple[float, float | None]],
    smooth: Sequence[tuple[float, float]],
    measured: Sequence[tuple[float, float]],
) -> Plot:
    def placed(points: Iterable[tuple[float, float | None]]) -> list[Point | None]:
        return [None if y is None else frame.place(span, x, y) for x, y in points]

    evaluations = [frame.place(span, x, y) for x, y in measured]
    shown_marks = marks if len(marks) <= x_about + 2 else ()
    return Plot(
        width=frame.width,
        height=frame.height,
        left=frame.left,
        right=frame.x_end,
        top=frame.top,
        bottom=frame.y_end,
        x_ticks=_x_ticks(frame, span, about=x_about),
        y_ticks=_y_ticks(frame, span),
        epochs=tuple(
            Tick(frame.place(span, step, span.y_low).x, text) for step, text in shown_marks
        ),
        raw=_path(placed(_thinned(raw))),
        smooth=_path(placed(_thinned(smooth))),
        evaluations=_path(evaluations),
        eval_points=tuple(evaluations),
        newest=frame.place(span, *smooth[-1]) if smooth else None,
    )


def nice_step(width: float, *, about: int) -> float:
    """Return 1, 2, 2.5 or 5 times a power of ten that cuts ``width`` into about so many parts."""
    rough = width / about
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough * 0.999), 10 * power)


def _x_ticks(frame: _Frame, span: _Span, *, about: int) -> tuple[Tick, ...]:
    step = max(1, round(nice_step(span.x_high, about=about)))
    last = int(span.x_high)
    # The end is always named; a round number too near to it gives way.
    steps = [x for x in range(0, last, step) if last - x > step * 0.45] + [last]
    return tuple(Tick(frame.place(span, x, span.y_low).x, f"{x:,}") for x in steps)


def _y_ticks(frame: _Frame, span: _Span) -> tuple[Tick, ...]:
    number = round((span.y_high - span.y_low) / span.y_step)
    decimals = max(0, min(6, 2 - math.floor(math.log10(span.y_step) + 1e-9) - 1))
    values = [span.y_low + i * span.y_step for i in range(number + 1)]
    return tuple(Tick(frame.place(span, 0, y).y, f"{y:.{decimals}f}") for y in values)


def _epoch_marks(total_steps: int | None, epochs: float) -> list[tuple[int, str]]:
    if not total_steps or epochs < 1 or epochs != int(epochs):
        return []
    return [(round(total_steps * n / epochs), f"epoch {n}") for n in range(1, int(epochs) + 1)]


def _finite(series: Series | None) -> list[tuple[float, float]]:
    if series is None:
        return []
    pairs = zip(series.step, series.value, strict=True)
    return [(float(step), value) for step, value in pairs if value is not None]


def _with_gaps(series: Series) -> list[tuple[float, float | None]]:
    return [(float(step), value) for step, value in zip(series.step, series.value, strict=True)]


def _smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a running mean that forgets slowly; without the bias of its first values."""
    kept, weight = 0.0, 0.0
    out = []
    for x, y in points:
        kept = SMOOTHING * kept + (1 - SMOOTHING) * y
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        out.append((x, kept / weight))
    return out


def _thinned(
    points: Sequence[tuple[float, float | None]],
) -> Sequence[tuple[float, float | None]]:
    if len(points) <= MAX_POINTS:
        return points
    stride = math.ceil(len(points) / MAX_POINTS)
    kept = list(points[::stride])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _path(points: Iterable[Point | None]) -> str:
    """Return SVG path data; a missing point lifts the pen."""
    parts: list[str] = []
    command = "M"
    for point in points:
        if point is None:
            command = "M"
            continue
        parts.append(f"{command}{point.x:g} {point.y:g}")
        command = "L"
    return "".join(parts)
