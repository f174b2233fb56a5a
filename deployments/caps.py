"""Caps on money and machines: the arithmetic, and the refusal that shows it (F6, T20). Pure.

A run that lives counts with its whole budget, or with its cost should that be more; one that is
over counts with what it cost. So what is accepted can be paid whatever becomes of it, and nothing
is asked again before a launch: a replacement machine is within what is kept for its run.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from core.errors import ConflictError
from deployments.costs import CENT

NOT_STARTED = "Nothing was started."


@dataclass(frozen=True)
class Committed:
    """What counts against a cap, in whole cents: runs that are over, and living ``runs``."""

    spent_usd: Decimal = Decimal(0)
    reserved_usd: Decimal = Decimal(0)
    runs: int = 0

    @property
    def total_usd(self) -> Decimal:
        """Both together."""
        return self.spent_usd + self.reserved_usd

    def __add__(self, other: "Committed") -> "Committed":
        return Committed(
            self.spent_usd + other.spent_usd,
            self.reserved_usd + other.reserved_usd,
            self.runs + other.runs,
        )


@dataclass(frozen=True)
class MoneyCap:
    """A cap on a period's money; ``limit_usd`` None is none."""

    limit_usd: Decimal | None
    committed: Committed

    @property
    def left_usd(self) -> Decimal | None:
        """What a new run's budget may be, in whole cents; None is anything."""
        if self.limit_usd is None:
            return None
        left = (self.limit_usd - self.committed.total_usd).quantize(CENT, rounding=ROUND_DOWN)
        return max(Decimal("0.00"), left)

    def takes(self, budget: Decimal) -> bool:
        """Say whether a run of this budget may be added."""
        return self.limit_usd is None or self.committed.total_usd + budget <= self.limit_usd


@dataclass(frozen=True)
class MachineCap:
    """A cap on machines at once. Each living run counts as one: it has one, had one, or will."""

    limit: int | None
    runs: int

    @property
    def takes_one(self) -> bool:
        """Say whether a run may be added."""
        return self.limit is None or self.runs < self.limit


@dataclass(frozen=True)
class Caps:
    """All that a user's next run must fit into."""

    month: MoneyCap
    day: MoneyCap
    machines: MachineCap
    all_machines: MachineCap

    def refusal(self, budget: Decimal) -> ConflictError | None:
        """Return why a run of this budget is not accepted, or None."""
        if not self.month.takes(budget):
            return _over_the_month(self.month, budget)
        if not self.day.takes(budget):
            return _over_the_day(self.day, budget)
        if not self.machines.takes_one:
            return _no_machine_left(self.machines)
        if not self.all_machines.takes_one:
            return _no_machine_left_for_anybody(self.all_machines)
        return None


def _over_the_month(cap: MoneyCap, budget: Decimal) -> ConflictError:
    committed, left = cap.committed, cap.left_usd
    many = "" if committed.runs == 1 else "s"
    return ConflictError(
        f"A budget of {budget} USD does not fit into your cap of {cap.limit_usd} USD for this "
        f"month: {committed.spent_usd} USD are spent by runs that are over, "
        f"{committed.reserved_usd} USD are kept for {committed.runs} living run{many}, and "
        f"{left} USD are left. {NOT_STARTED}",
        remedy=f"{_smaller(left)}Wait until a run ends and costs less than its budget, or ask "
        "staff for a higher cap. Months are counted in UTC.",
        code="E_MONTHLY_CAP",
        param="budget_limit",
        details=[_arithmetic(cap, budget)],
    )


def _over_the_day(cap: MoneyCap, budget: Decimal) -> ConflictError:
    """What others have spent and what is kept for them is told as one sum, not apart (T2)."""
    left = cap.left_usd
    return ConflictError(
        f"A budget of {budget} USD does not fit into this installation's cap of {cap.limit_usd} "
        f"USD a day: {cap.committed.total_usd} USD of it are spent today or kept for living runs "
        f"of everybody, and {left} USD are left. {NOT_STARTED}",
        remedy=f"{_smaller(left)}Wait until runs end or until tomorrow (UTC), or ask staff for a "
        "higher cap.",
        code="E_DAILY_CAP",
        param="budget_limit",
        details=[_arithmetic(cap, budget, apart=False)],
    )


def _no_machine_left(cap: MachineCap) -> ConflictError:
    return ConflictError(
        f"You may have {_machines(cap.limit)} at once, and {cap.runs} of your runs live, each with "
        f"a machine or waiting for one. {NOT_STARTED}",
        remedy="Wait until a run ends, stop one, or ask staff for a higher cap.",
        code="E_MACHINE_CAP",
        details=[{"cap": cap.limit, "living_runs": cap.runs}],
    )


def _no_machine_left_for_anybody(cap: MachineCap) -> ConflictError:
    return ConflictError(
        f"This installation may have {_machines(cap.limit)} at once, and {cap.runs} runs of "
        f"everybody live, each with a machine or waiting for one. {NOT_STARTED}",
        remedy="Wait until a run ends, or ask staff for a higher cap.",
        code="E_MACHINE_CAP",
        details=[{"cap": cap.limit, "living_runs": cap.runs}],
    )


def _smaller(left: Decimal | None) -> str:
    return f"Give at most {left} USD. " if left else ""


def _machines(limit: int | None) -> str:
    return f"{limit} machine{'' if limit == 1 else 's'}"


def _arithmetic(cap: MoneyCap, budget: Decimal, *, apart: bool = True) -> dict[str, str]:
    committed = cap.committed
    parts = (
        {"spent": str(committed.spent_usd), "reserved": str(committed.reserved_usd)}
        if apart
        else {"committed": str(committed.total_usd)}
    )
    return {"cap": str(cap.limit_usd), **parts, "budget": str(budget), "left": str(cap.left_usd)}
