"""Charts as data for scripts: the same points that the drawings show, in columns. Pure."""

from typing import Any

from deployments.pages.charts import kinds
from deployments.pages.charts.chart import Chart, chart
from deployments.pages.charts.kinds import Kind, View
from deployments.pages.charts.measured import Measured
from deployments.pages.charts.plots import y_scale
from deployments.pages.charts.scales import Scale
from deployments.templatetags.wording import figure

DIGITS = 6


def points(kind: Kind, measured: Measured, view: View) -> dict[str, Any] | None:
    """Return one chart as JSON can carry it; None before its first value.

    ``step`` tells the step of each point, so that a zoom can ask for the steps in between.
    """
    found = chart(kind, measured, view)
    if found is None:
        return None
    scale = y_scale(found, about=5)
    return {
        "title": kind.title,
        "unit": kind.unit,
        "axis": found.view.axis.name,
        "log": scale.is_log,
        "x": [0, _short(found.x_high)],
        "y": [_short(scale.low), _short(scale.high)],
        "ticks": _ticks(scale),
        "few_ticks": _ticks(y_scale(found, about=3)),
        "best": _best(found),
        "lines": [
            {
                "role": line.role,
                "label": line.label,
                "step": _steps(found, line.points),
                "x": [_short(x) for x, _ in found.placed(line)],
                "y": [None if y is None else _short(y) for _, y in line.points],
            }
            for line in found.lines
        ],
        "limit": {"value": _short(found.limit.value), "text": found.limit.text}
        if found.limit
        else None,
        "epochs": [[_short(place), text] for place, text in found.epochs]
        if kind is kinds.LOSS and view.axis is not kinds.EPOCH
        else [],
    }


def _steps(found: Chart, told: Any) -> list[int]:
    """Return the steps where they are not what lies along x anyway."""
    if found.view.axis is kinds.STEP:
        return []
    return [int(step) for step, _ in told]


def _ticks(scale: Scale) -> list[list[float | str]]:
    return [[_short(tick.value), tick.text] for tick in scale.ticks]


def _best(found: Chart) -> dict[str, Any] | None:
    """Return the best evaluation of a run that is over, which is named in the drawing."""
    told = found.losses
    if found.is_live or told is None or told.best_eval is None or told.best_step is None:
        return None
    place = found.along.place(told.best_step)
    return {
        "x": _short(place),
        "y": _short(told.best_eval),
        "text": f"best {figure(told.best_eval)}",
    }


def _short(value: float) -> float | int:
    """Return a number in few digits: a chart shows no more."""
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short
