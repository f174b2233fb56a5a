"""Charts as tables: the raw values step by step, a page of them or all."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from deployments.models import Metric
from deployments.pages.charts import kinds
from deployments.pages.charts.kinds import Kind
from deployments.pages.charts.measured import Measured
from deployments.pages.charts.series import Smoother
from deployments.templatetags.wording import figure, moment_exact

ROWS_A_PAGE = 250
# From so many values before a page its smoothed figures are exact to nine digits.
WARM_UP = 100
# A value of the table: absent, not a number, or a number.
Value = float | None


@dataclass(frozen=True)
class Row:
    """One step, and the figures beside it as they are shown."""

    step: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A page of a table, newest first; ``older`` is the step before which the next one begins."""

    rows: tuple[Row, ...]
    older: int | None


def page(kind: Kind, measured: Measured, job_id: UUID, *, before: int | None) -> Page:
    """Return a page of a chart's table."""
    if kind is kinds.COST:
        spent = [
            Row(int(step), (moment_exact(at), kind.worded(usd)))
            for step, usd, at in measured.spending
        ]
        return Page(tuple(reversed(spent)), None)
    found: list[tuple[int, str, Value]] = []
    for name in _names(kind):
        rows = Metric.objects.filter(job=job_id, name=name).order_by("-step")
        if before is not None:
            rows = rows.filter(step__lt=before)
        found += rows.values_list("step", "name", "value")[: ROWS_A_PAGE + WARM_UP + 1]
    lines = list(_lines(kind, sorted(found, key=lambda row: row[0])))
    shown = lines[: -ROWS_A_PAGE - 1 : -1]
    older = shown[-1][0] if len(lines) > ROWS_A_PAGE else None
    words = figure if kind is kinds.LOSS else kind.worded
    return Page(tuple(Row(step, _worded(values, words)) for step, values in shown), older)


def csv_rows(kind: Kind, measured: Measured, job_id: UUID) -> Iterator[list[object]]:
    """Return the whole table row by row, oldest first, its head before it."""
    yield ["step", *kind.columns]
    if kind is kinds.COST:
        for step, usd, at in measured.spending:
            yield [int(step), _utc(at), f"{usd:.4f}"]
        return
    told = (
        Metric.objects.filter(job=job_id, name=name)
        .order_by("step")
        .values_list("step", "name", "value")
        .iterator(chunk_size=2000)
        for name in _names(kind)
    )
    for step, values in _lines(kind, heapq.merge(*told, key=lambda row: row[0])):
        yield [step, *("" if value in (_ABSENT, None) else value for value in values)]


def _names(kind: Kind) -> tuple[str, ...]:
    return (kinds.TRAIN_LOSS, kinds.EVAL_LOSS) if kind is kinds.LOSS else (kind.metric,)


_ABSENT = "absent"


def _lines(
    kind: Kind, told: Iterable[tuple[int, str, Value]]
) -> Iterator[tuple[int, tuple[Value | str, ...]]]:
    """Return each step with its values in the order of the columns."""
    smoother = Smoother()
    for step, rows in groupby(told, key=lambda row: row[0]):
        values = {name: value for _, name, value in rows}
        if kind is not kinds.LOSS:
            yield step, (values[kind.metric],)
            continue
        train = values.get(kinds.TRAIN_LOSS)
        smooth = _ABSENT if train is None else round(smoother.add(train), 6)
        yield (
            step,
            (values.get(kinds.TRAIN_LOSS, _ABSENT), smooth, values.get(kinds.EVAL_LOSS, _ABSENT)),
        )


def _worded(values: Iterable[Value | str], words: Callable[[float], str]) -> tuple[str, ...]:
    return tuple(_word(value, words) for value in values)


def _word(value: Value | str, words: Callable[[float], str]) -> str:
    if isinstance(value, str):
        return ""
    return "not a number" if value is None else words(value)


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
