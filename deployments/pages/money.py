"""The money bar: spent, likely end, where training stops, and what is kept back (D8). Pure."""

import math
from dataclasses import dataclass
from decimal import Decimal

from deployments import costs
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview
from deployments.timing import Timing

LANDING = frozenset({Status.COLLECTING, Status.TERMINATING})
# Fewer steps than this say nothing of the pace: the first ones compile, cache and warm up.
ENOUGH_STEPS = 5
# Steps differ in length by about half, since rows do, so the mean of n of them is uncertain by
# about 0.5 / sqrt(n). Never taken as surer than 5 %; evaluations and saving may add 10 % on top.
STEP_SPREAD, SUREST, ON_TOP = 0.5, 0.05, 0.10
# Widths of the labels in percent of the bar on a wide screen, so that none covers another.
LIKELY_WIDTH, STOP_WIDTH, BUDGET_WIDTH = 17.0, 16.0, 5.5


@dataclass(frozen=True)
class Likely:
    """Where the run will probably end: two amounts and two times from now."""

    low: Decimal
    high: Decimal
    low_seconds: float
    high_seconds: float


@dataclass(frozen=True)
class Label:
    """A text below the bar: where it is tied, and which end of it."""

    x: float
    anchor: str


@dataclass(frozen=True)
class MoneyBar:
    """Amounts in dollars, lengths in percent of the budget, ready to be drawn.

    ``stop`` is None when it is not known what a landing costs; ``likely_label`` when there is no
    room for it below the bar.
    """

    spent: Decimal
    budget: Decimal
    stop: Decimal | None
    likely: Likely | None
    is_landing: bool
    spent_percent: float
    stop_percent: float | None
    low_percent: float | None
    high_percent: float | None
    likely_label: Label | None
    stop_label_x: float

    @property
    def kept_back(self) -> Decimal | None:
        """What is left for saving, bringing home and ending once training stops."""
        return None if self.stop is None else self.budget - self.stop

    @property
    def kept_percent(self) -> float:
        """The length of the part that is kept back."""
        return 0.0 if self.stop_percent is None else round(100 - self.stop_percent, 2)

    @property
    def ahead_percent(self) -> float:
        """The length from what is spent to the likely end."""
        return max(0.0, round((self.high_percent or 0.0) - self.spent_percent, 2))


def money_bar(run: DeploymentOverview, *, timing: Timing, quantum_seconds: int) -> MoneyBar:
    """Return the bar of a run; before a machine is rented at the highest price allowed."""
    budget = run.cost.budget_limit
    stop = stop_price(run, timing=timing, quantum_seconds=quantum_seconds)
    landing = run.status in LANDING
    likely = None if landing else likely_end(run, timing=timing, quantum_seconds=quantum_seconds)
    stop_percent = _percent(stop, budget)
    low = _percent(likely.low, budget) if likely else None
    high = _percent(likely.high, budget) if likely else None
    stop_label_x = min(stop_percent - 0.6, 100 - BUDGET_WIDTH)
    return MoneyBar(
        spent=run.cost.accrued,
        budget=budget,
        stop=stop,
        likely=likely,
        is_landing=landing,
        spent_percent=_percent(run.cost.accrued, budget),
        stop_percent=stop_percent,
        low_percent=low,
        high_percent=high,
        likely_label=_likely_label(low, high, before=stop_label_x - STOP_WIDTH),
        stop_label_x=max(STOP_WIDTH, stop_label_x),
    )


def stop_price(run: DeploymentOverview, *, timing: Timing, quantum_seconds: int) -> Decimal:
    """Return what may be spent before training stops: the budget less what a landing costs."""
    hourly = run.cost.hourly or run.max_hourly_price
    reserve = costs.cents_up(costs.reserve(hourly, timing=timing, quantum_seconds=quantum_seconds))
    return max(Decimal(0), run.cost.budget_limit - reserve)


def likely_end(run: DeploymentOverview, *, timing: Timing, quantum_seconds: int) -> Likely | None:
    """Return a range for the final cost and time, from the measured seconds a step, or None.

    The low end adds only the two lists that prove the machine gone, the high end all that is kept
    back for a landing; neither goes over the budget, which the run is stopped for.
    """
    hourly, progress = run.cost.hourly, run.progress
    if run.status != Status.TRAINING or hourly is None or progress is None:
        return None
    left = progress.seconds_remaining
    if left is None or progress.paced_steps < ENOUGH_STEPS:
        return None
    unsure = max(SUREST, STEP_SPREAD / math.sqrt(progress.paced_steps))
    shortest = timing.proof_interval_seconds + timing.poll_seconds
    longest = timing.collect_seconds + timing.terminate_reserve_seconds + quantum_seconds
    low_seconds = left * (1 - unsure) + shortest
    high_seconds = left * (1 + unsure + ON_TOP) + longest
    low = _after(run.cost.accrued, hourly, low_seconds)
    high = _after(run.cost.accrued, hourly, high_seconds)
    budget = run.cost.budget_limit
    return Likely(
        low=min(low, budget),
        high=min(max(high, low + costs.CENT), budget),
        low_seconds=low_seconds,
        high_seconds=high_seconds,
    )


def _after(spent: Decimal, hourly: Decimal, seconds: float) -> Decimal:
    return costs.cents_up(spent + hourly * Decimal(str(seconds)) / Decimal(3600))


def _percent(amount: Decimal, of: Decimal) -> float:
    return round(min(100.0, float(100 * amount / of)), 2) if of else 0.0


def _likely_label(low: float | None, high: float | None, *, before: float) -> Label | None:
    """Begin the label below the range, or end it there, whichever has room."""
    if low is None or high is None:
        return None
    if low + LIKELY_WIDTH <= before:
        return Label(low, "start")
    if high <= before and high >= LIKELY_WIDTH:
        return Label(high, "end")
    return None
