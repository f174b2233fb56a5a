"""What somebody may still spend, in words and as a bar: for the settings and the wizard. Pure."""

from dataclasses import dataclass

from deployments.caps import Caps, MoneyCap
from deployments.templatetags.wording import counted, usd

NO_CAP = "no cap"


@dataclass(frozen=True)
class Allowance:
    """The month under its cap; lengths in percent of the cap, None without one."""

    spent: str
    reserved: str
    runs: str
    cap: str
    left: str
    machines: str
    spent_percent: float | None
    reserved_percent: float | None

    @property
    def bar_label(self) -> str:
        """The bar in words."""
        return f"{self.spent} spent and {self.reserved} kept of {self.cap}, {self.left} left"


def allowance(caps: Caps) -> Allowance:
    """Return what a user has spent this month, what is kept for living runs, and what is left."""
    month, machines = caps.month, caps.machines
    committed = month.committed
    runs = counted(machines.runs, "living run")
    spent_percent, reserved_percent = _lengths(month)
    return Allowance(
        spent=usd(committed.spent_usd),
        reserved=usd(committed.reserved_usd),
        runs=runs,
        cap=NO_CAP if month.limit_usd is None else usd(month.limit_usd),
        left="any amount" if month.left_usd is None else usd(month.left_usd),
        machines=runs if machines.limit is None else f"{machines.runs} of {machines.limit}",
        spent_percent=spent_percent,
        reserved_percent=reserved_percent,
    )


def month_left(cap: MoneyCap) -> str:
    """Return $7.70 of $50.00 left; "" without a cap."""
    if cap.limit_usd is None:
        return ""
    return f"{usd(cap.left_usd)} of {usd(cap.limit_usd)} left"


def _lengths(cap: MoneyCap) -> tuple[float | None, float | None]:
    if not cap.limit_usd:
        return None, None
    committed = cap.committed
    spent = min(100.0, float(100 * committed.spent_usd / cap.limit_usd))
    both = min(100.0, float(100 * committed.total_usd / cap.limit_usd))
    return round(spent, 2), round(both - spent, 2)
