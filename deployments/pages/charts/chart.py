"""One chart of a run: its lines, its words, and its drawings. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments import bucketing
from deployments.pages.charts import kinds, series
from deployments.pages.charts.kinds import Kind, View
from deployments.pages.charts.measured import Measured
from deployments.pages.charts.series import Along, Point
from deployments.templatetags.wording import SPACE

# How a line is drawn is its class; scripts read these roles too.
RAW, SMOOTH, EVAL, ONE = "raw", "smooth", "eval", "one"


@dataclass(frozen=True)
class Line:
    """One line: its points by step, and how it is named."""

    role: str
    label: str
    points: Sequence[Point]

    @property
    def newest(self) -> float | None:
        """The newest value that is a number."""
        return next((y for _, y in reversed(self.points) if y is not None), None)


@dataclass(frozen=True)
class Limit:
    """A value that must not be passed, and its name."""

    value: float
    text: str


@dataclass(frozen=True)
class Losses:
    """The losses that are told in words: the first, the newest and the best."""

    first_train: float | None
    newest_train: float | None
    steps: int
    newest_eval: float | None
    best_eval: float | None
    best_step: int | None


@dataclass(frozen=True)
class Chart:
    """A chart of a run, ready to be drawn in any size; ``x_high`` is where its x axis ends."""

    kind: Kind
    view: View
    lines: tuple[Line, ...]
    limit: Limit | None
    losses: Losses | None
    along: Along
    x_high: float
    epochs: tuple[tuple[float, str], ...]
    steps: int
    is_live: bool

    @property
    def newest(self) -> str:
        """The newest value in words."""
        value = self.lines[0].newest
        return "" if value is None else self.kind.worded(value)

    @property
    def sentence(self) -> str:
        """The chart in one sentence, for who does not see it."""
        if self.losses is not None:
            return _loss_sentence(self.losses)
        word = "now" if self.is_live else "at the end"
        told = f"{self.kind.title} over {self.steps:,} steps, {word} {self.newest}"
        return f"{told}; the limit is {self.limit.text}." if self.limit else f"{told}."

    def placed(self, line: Line) -> list[Point]:
        """Return a line's points along the view's axis."""
        return [(self.along.place(x), y) for x, y in line.points]


def losses(measured: Measured) -> Losses | None:
    """Return the losses in figures; None before the first finite one."""
    train, evals = measured.of(kinds.TRAIN_LOSS), measured.of(kinds.EVAL_LOSS)
    smooth = series.smoothed(train)
    if not smooth:
        return None
    told = [bucket.last for bucket in evals if bucket.last is not None]
    found = [(b.low, b.low_step) for b in evals if b.low is not None and b.low_step is not None]
    best = min(found, default=(None, None))
    return Losses(
        first_train=series.finite(series.drawn(train))[0][1],
        newest_train=smooth[-1][1],
        steps=train[-1].last_step,
        newest_eval=told[-1] if told else None,
        best_eval=best[0],
        best_step=best[1],
    )


def chart(
    kind: Kind, measured: Measured, view: View, *, buckets: int = bucketing.MAX_BUCKETS
) -> Chart | None:
    """Return a chart of the run, of at most ``buckets`` a line; None before its first value.

    An axis whose places nobody knows, such as tokens that were never told, gives way to steps.
    """
    if kind is kinds.COST and not measured.last_step:
        # Money is spent before the first step.
        view = View(kinds.TIME, view.is_log)
        return _chart(kind, *_spending(measured, view, Along((), ())), measured, view)
    along = measured.along(view.axis)
    if along is None:
        return chart(kind, measured, View(kinds.STEP, view.is_log), buckets=buckets)
    if kind is kinds.COST:
        return _chart(kind, *_spending(measured, view, along), measured, view)
    return _chart(kind, _told(kind, measured, buckets=buckets), along, measured, view)


def _chart(
    kind: Kind, lines: tuple[Line, ...], along: Along, measured: Measured, view: View
) -> Chart | None:
    if all(line.newest is None for line in lines):
        return None
    return Chart(
        kind=kind,
        view=view,
        lines=lines,
        limit=_limit(kind, measured),
        losses=losses(measured) if kind is kinds.LOSS else None,
        along=along,
        x_high=_far(view, measured),
        epochs=_epoch_marks(view, measured),
        steps=measured.last_step,
        is_live=measured.is_live,
    )


def _told(kind: Kind, measured: Measured, *, buckets: int) -> tuple[Line, ...]:
    told = series.thinned(measured.of(kind.metric), limit=buckets)
    if kind is not kinds.LOSS:
        return (Line(ONE, kind.title, series.drawn(told)),)
    lines = [
        Line(SMOOTH, kinds.TRAIN_LOSS, series.smoothed(told)),
        Line(RAW, "raw", series.drawn(told)),
    ]
    evals = series.thinned(measured.of(kinds.EVAL_LOSS), limit=buckets)
    if evals:
        lines.append(Line(EVAL, kinds.EVAL_LOSS, series.drawn(evals)))
    return tuple(lines)


def _spending(measured: Measured, view: View, along: Along) -> tuple[tuple[Line, ...], Along]:
    """Return the cost as a line: by moment on the axis of time, which begins before training."""
    if view.axis is not kinds.TIME:
        spent = measured.spending
        return (Line(ONE, kinds.COST.title, [(step, usd) for step, usd, _ in spent]),), along
    points = measured.spending_by_time
    places = Along.of((seconds, seconds) for seconds, _ in points)
    return (Line(ONE, kinds.COST.title, points),), places


def _limit(kind: Kind, measured: Measured) -> Limit | None:
    if kind is kinds.COST:
        return Limit(float(measured.budget), f"budget, {kind.worded(float(measured.budget))}")
    if kind is kinds.MEMORY and measured.card_gib is not None:
        return Limit(measured.card_gib, f"card, {measured.card_gib:.3g}{SPACE}GB")
    return None


def _far(view: View, measured: Measured) -> float:
    """Return where the x axis ends: the same for all charts of a view."""
    if view.axis is kinds.TIME:
        return max(measured.seconds(measured.until), 1.0)
    along = measured.along(view.axis)
    return max(along.places[-1] if along else 0.0, 1e-9)


def _epoch_marks(view: View, measured: Measured) -> tuple[tuple[float, str], ...]:
    """Return where whole epochs end on the axis, as far as it reaches."""
    total, epochs, along = measured.total_steps, measured.epochs, measured.along(view.axis)
    if not total or along is None or epochs < 1 or epochs != int(epochs):
        return ()
    ends = [(round(total * n / epochs), f"epoch {n}") for n in range(1, int(epochs) + 1)]
    reached = measured.last_step if view.axis in (kinds.TIME, kinds.TOKEN) else total
    return tuple((along.place(step), text) for step, text in ends if step <= reached)


def _loss_sentence(told: Losses) -> str:
    words = f"Training loss over {told.steps:,} steps"
    if told.first_train is not None and told.newest_train is not None:
        words += f", from {told.first_train:.3f} to {told.newest_train:.3f}"
    if told.newest_eval is not None:
        words += f"; evaluation loss now {told.newest_eval:.3f}"
    return words + "."
