"""The card of a run that is over, or ends: what is kept, and what it cost. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from deployments.models import Artifact
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview
from deployments.pages.charts import LossChart
from deployments.templatetags.wording import counted, figure, size, usd


@dataclass(frozen=True)
class Figure:
    """A label, the figure that matters, and what belongs to it."""

    label: str
    value: str
    beside: str = ""


@dataclass(frozen=True)
class End:
    """``is_proven`` False: the machine is being ended and bills until it is proven gone."""

    is_proven: bool
    title: str
    cost: Decimal
    beside_cost: str
    figures: tuple[Figure, ...]


def end_card(
    run: DeploymentOverview,
    adapter: Artifact | None,
    chart: LossChart | None,
    *,
    billed_seconds: float,
) -> End:
    """Return the end card of a run that is over or ends; ``billed_seconds`` of all machines."""
    billed = ""
    if run.is_terminal and billed_seconds:
        billed = f", in {counted(round(billed_seconds / 60), 'billed minute')}"
    return End(
        is_proven=run.is_terminal and not run.bills,
        title=_title(run, has_adapter=adapter is not None),
        cost=run.cost.accrued,
        beside_cost=f"of {usd(run.cost.budget_limit)}{billed}",
        figures=tuple(_figures(adapter, chart)),
    )


def _title(run: DeploymentOverview, *, has_adapter: bool) -> str:
    if not run.is_terminal:
        ending = "the machine is being ended" if run.bills else "the run is ending"
        return f"The adapter is home, {ending}" if has_adapter else ending.capitalize()
    gone = "the machine is gone" if any(m.gone_at for m in run.machines) else "nothing was rented"
    if has_adapter:
        return f"The adapter is home and {gone}"
    if run.status == Status.CANCELLED:
        return f"Cancelled by you, {gone}"
    return f"No adapter came home, {gone}"


def _figures(adapter: Artifact | None, chart: LossChart | None) -> list[Figure]:
    found = []
    if chart is not None and chart.best_eval is not None and chart.best_step is not None:
        label = f"eval loss at step {chart.best_step:,}, the best"
        found.append(Figure(label, figure(chart.best_eval)))
    elif chart is not None and chart.newest_train is not None:
        found.append(Figure(f"train loss at step {chart.steps:,}", figure(chart.newest_train)))
    if adapter is not None:
        found.append(Figure("adapter, sha256 checked", size(adapter.size_bytes)))
    return found
