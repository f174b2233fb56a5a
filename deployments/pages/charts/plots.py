"""A chart drawn: its scales, lines and marks in one size. Pure."""

from deployments.pages.charts import kinds, scales
from deployments.pages.charts.chart import EVAL, SMOOTH, Chart
from deployments.pages.charts.drawing import Frame, Mark, Path, Place, Plot, Size
from deployments.pages.charts.scales import Scale

# More diamonds than this would hide the line that they sit on.
MAX_DIAMONDS = 60


def plot(chart: Chart, size: Size) -> Plot:
    """Return the chart drawn in this size."""
    frame = Frame(size, x_scale(chart, about=size.x_about), y_scale(chart, about=size.y_about))
    # What matters most is drawn last, on top.
    lines = sorted(chart.lines, key=lambda line: line.role == SMOOTH)
    return Plot(
        size=size,
        x_ticks=frame.x_ticks,
        y_ticks=frame.y_ticks,
        epochs=_epochs(chart, frame),
        limit=Mark(frame.up(chart.limit.value), chart.limit.text) if chart.limit else None,
        paths=tuple(
            Path(f"line line-{line.role}", frame.path(chart.placed(line))) for line in lines
        ),
        diamonds=_diamonds(chart, frame),
        best=_best(chart, frame),
        newest=_newest(chart, frame),
    )


def x_scale(chart: Chart, *, about: int) -> Scale:
    """Return the scale along x, from 0 to its end."""
    axis, high = chart.view.axis, chart.x_high
    if axis is kinds.TIME:
        step = scales.clock_step(high, about=about)
        return scales.along(high, about=about, step=step, words=scales.clock_words)
    step = scales.nice_step(high, about=about)
    if axis is kinds.STEP:
        step = float(max(1, round(step)))
        return scales.along(high, about=about, step=step, words=scales.whole_words)
    return scales.along(high, about=about, step=step, words=scales.number_words)


def y_scale(chart: Chart, *, about: int) -> Scale:
    """Return the scale along y: over everything that is drawn, and the limit."""
    values = [y for line in chart.lines for _, y in line.points if y is not None]
    if chart.limit is not None:
        values.append(chart.limit.value)
    words = chart.kind.axis_words
    found = scales.logarithmic(values, about=about, words=words) if chart.view.is_log else None
    if found is not None:
        return found
    return scales.linear(values, about=about, words=words, from_zero=chart.kind.from_zero)


def _epochs(chart: Chart, frame: Frame) -> tuple[Mark, ...]:
    """Return the ends of epochs, where there is room for their words."""
    if chart.kind is not kinds.LOSS or len(chart.epochs) > frame.size.x_about + 2:
        return ()
    if chart.view.axis is kinds.EPOCH:
        # The axis says it.
        return ()
    return tuple(Mark(frame.along(place), text) for place, text in chart.epochs)


def _diamonds(chart: Chart, frame: Frame) -> tuple[Place, ...]:
    places = [
        frame.place(x, y)
        for line in chart.lines
        if line.role == EVAL
        for x, y in chart.placed(line)
        if y is not None and frame.y.shows(y)
    ]
    return tuple(places) if len(places) <= MAX_DIAMONDS else ()


def _best(chart: Chart, frame: Frame) -> Place | None:
    """Return the best evaluation, which is named once the run is over."""
    told = chart.losses
    if chart.is_live or told is None or told.best_eval is None or told.best_step is None:
        return None
    return frame.place(chart.along.place(told.best_step), told.best_eval)


def _newest(chart: Chart, frame: Frame) -> Place | None:
    """Return the newest smoothed loss, which is marked while the run goes on."""
    first = chart.lines[0]
    if first.role != SMOOTH or not first.points:
        return None
    x, y = first.points[-1]
    return frame.place(chart.along.place(x), y) if y is not None and frame.y.shows(y) else None
