"""Money and time: when a run must land, and what the landing will cost (D8). Pure."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from deployments import costs
from deployments.lifecycle import faults
from deployments.lifecycle.actions import Record
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import Deployment, Machine, Status

S = Status
# In percent, the highest first: who passes both at once hears of the higher.
BUDGET_WARNINGS = (95, 80)


def first_rented(machines: Iterable[Machine]) -> Machine | None:
    """Return the machine whose launch began the run's time; one that was refused began nothing."""
    return next((m for m in machines if m.may_live or m.billed_usd), None)


def seconds_left(machines: Iterable[Machine], deployment: Deployment, *, now: datetime) -> float:
    """Return what is left of max_hours, all machines of the deployment counted (F54)."""
    first = first_rented(machines)
    used = (now - first.requested_at).total_seconds() if first is not None else 0.0
    return max(0.0, float(deployment.max_hours) * 3600 - used)


def limit_reached(s: Situation) -> tuple[str, Fault | None]:
    """Return which limit is reached, "budget" or "deadline", and why; ("", None) for neither."""
    d = s.deployment
    if first_rented(s.machines) is None:
        return "", None
    if s.spent_usd + kept_back(s) >= d.budget_limit:
        return "budget", faults.over_budget(str(d.budget_limit))
    if seconds_left(s.machines, d, now=s.now) > 0:
        return "", None
    if d.status == S.COLLECTING and s.age(d.status_since) < landing_seconds(s):
        return "", None
    return "deadline", faults.over_time(str(d.max_hours.normalize()))


def kept_back(s: Situation) -> Decimal:
    """D8: what landing will cost from here on. What may not live needs no landing."""
    machine = s.machine
    if machine is None or not machine.may_live:
        return Decimal(0)
    collecting = s.deployment.status == S.COLLECTING
    return costs.reserve(
        machine.hourly_price,
        timing=s.timing,
        quantum_seconds=machine.billing_quantum_seconds,
        save_seconds=0 if collecting else None,
        collect_seconds=0 if collecting else None,
    )


def budget_warning(s: Situation) -> Record | None:
    """F53: tell once when 80 % and when 95 % are used, unless the budget has landed the run."""
    d = s.deployment
    if d.landing == "budget":
        return None
    for percent in BUDGET_WARNINGS:
        if d.budget_warned < percent and s.spent_usd * 100 >= d.budget_limit * percent:
            return Record(
                f"budget_{percent}",
                f"{percent} % of the budget is used: ${costs.cents_up(s.spent_usd)} of "
                f"${d.budget_limit}.",
                deployment={"budget_warned": percent},
            )
    return None


def landing_seconds(s: Situation) -> float:
    """D8: how long saving and bringing home may take together."""
    return s.timing.save_seconds + s.timing.collect_seconds
