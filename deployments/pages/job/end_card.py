"""The card of a run that is over, or ends: what is kept, and what it cost. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from deployments.models import Artifact
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview
from deployments.pages.charts.chart import Losses
from deployments.pages.job.figures import Figure
from deployments.pages.problems import Problem
from deployments.templatetags.wording import counted, figure, moment, size, usd

# A longer sentence is no title.
TITLE_LENGTH = 100


@dataclass(frozen=True)
class End:
    """``is_proven`` False: the machine bills until it is ended and proven gone.

    ``told`` are paragraphs with their headings; a run that went well needs none.
    """

    is_proven: bool
    title: str
    told: tuple[tuple[str, str], ...]
    cost: Decimal
    beside_cost: str
    figures: tuple[Figure, ...]


def end_card(
    run: DeploymentOverview,
    adapter: Artifact | None,
    losses: Losses | None,
    *,
    problem: Problem | None,
    billed_seconds: float,
) -> End:
    """Return the end card of a run that is over or ends; ``billed_seconds`` of all machines."""
    title = _title(run, has_adapter=adapter is not None)
    told: list[tuple[str, str]] = []
    if problem is not None:
        title, told = _what_went_wrong(problem)
    billed = ""
    if run.is_terminal and billed_seconds:
        billed = f", in {counted(round(billed_seconds / 60), 'billed minute')}"
    return End(
        is_proven=run.is_terminal and not run.bills,
        title=title,
        told=tuple(told),
        cost=run.cost.accrued,
        beside_cost=f"of {usd(run.cost.budget_limit)}{billed}",
        figures=tuple(_figures(adapter, losses, failed=problem is not None)),
    )


def _what_went_wrong(problem: Problem) -> tuple[str, list[tuple[str, str]]]:
    """Return what happened as a title where it is short enough, then cost, next, and remedy."""
    first, dot, rest = problem.happened.partition(". ")
    title, more = (first.removesuffix("."), rest) if dot else (first.removesuffix("."), "")
    if not title or len(title) > TITLE_LENGTH:
        title, more = problem.title, problem.happened
    told = [
        ("What happened", more),
        ("What it cost", problem.cost),
        ("What we do next", problem.next),
        ("What you can do", problem.remedy or "Read the end of the log for the reason."),
    ]
    return title, [(heading, text) for heading, text in told if text]


def _title(run: DeploymentOverview, *, has_adapter: bool) -> str:
    if run.kept_until:
        return f"The machine is kept until {moment(run.kept_until)}"
    if not run.is_terminal:
        ending = "the machine is being ended" if run.bills else "the run is ending"
        return f"The adapter is home, {ending}" if has_adapter else ending.capitalize()
    if run.bills:
        return "A machine that nobody wanted appeared late and is being ended"
    was_rented = bool(run.strays) or any(m.gone_at for m in run.machines)
    gone = "the machine is gone" if was_rented else "nothing was rented"
    if has_adapter:
        return f"The adapter is home and {gone}"
    if run.status == Status.CANCELLED:
        return f"Cancelled by you, {gone}"
    return f"No adapter came home, {gone}"


def _figures(adapter: Artifact | None, losses: Losses | None, *, failed: bool) -> list[Figure]:
    found = []
    if losses is not None and losses.best_eval is not None and losses.best_step is not None:
        label = f"eval loss at step {losses.best_step:,}, the best"
        found.append(Figure(label, figure(losses.best_eval)))
    elif losses is not None and losses.newest_train is not None:
        found.append(Figure(f"train loss at step {losses.steps:,}", figure(losses.newest_train)))
    if adapter is not None:
        found.append(Figure("adapter, sha256 checked", size(adapter.size_bytes)))
    elif failed:
        found.append(Figure("came home", "no adapter"))
    return found
