"""Charts for templates: each with its drawings, its links, and what stands in an empty frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from deployments.pages.charts.chart import EVAL, RAW, Chart, Line, chart
from deployments.pages.charts.drawing import Plot, Size
from deployments.pages.charts.kinds import Kind, View
from deployments.pages.charts.measured import Measured
from deployments.pages.charts.plots import plot
from deployments.templatetags.wording import figure


@dataclass(frozen=True)
class Legend:
    """A line's name, its newest value, and how it is drawn."""

    role: str
    label: str
    value: str
    is_best: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart's frame; before the first value there is no ``chart``, but ``missing`` says why."""

    kind: Kind
    job_id: UUID
    view: View
    chart: Chart | None
    plots: tuple[Plot, ...]
    legend: tuple[Legend, ...]
    missing: str

    @property
    def best(self) -> str:
        """The best evaluation in words."""
        told = self.chart.losses if self.chart else None
        return figure(told.best_eval) if told and told.best_eval is not None else ""

    @property
    def data_url(self) -> str:
        """Where scripts find the points."""
        query = urlencode({"only": self.kind.name} | self.view.query)
        return f"{reverse('deployments:chart-data', args=[self.job_id])}?{query}"


def panel(
    kind: Kind,
    measured: Measured,
    *,
    job_id: UUID,
    view: View,
    sizes: Sequence[Size],
    missing: str,
) -> Panel:
    """Return a chart drawn in these sizes."""
    drawn = [(chart(kind, measured, view, buckets=size.buckets), size) for size in sizes]
    found = drawn[0][0]
    return Panel(
        kind=kind,
        job_id=job_id,
        view=found.view if found else view,
        chart=found,
        plots=tuple(plot(each, size) for each, size in drawn if each is not None),
        legend=tuple(_legend(found, line) for line in found.lines) if found else (),
        missing=missing,
    )


def _legend(shown: Chart, line: Line) -> Legend:
    told = shown.losses
    if line.role == RAW:
        return Legend(RAW, line.label, "")
    if line.role == EVAL and told is not None and not shown.is_live:
        return Legend(EVAL, line.label, figure(told.best_eval), is_best=True)
    return Legend(line.role, line.label, shown.kind.worded(line.newest or 0.0))
