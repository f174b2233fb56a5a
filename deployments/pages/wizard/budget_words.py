"""The budget before a start: its bar, and the landing's arithmetic in words (D8). Pure."""

import math
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from deployments import costs
from deployments.estimate import Range
from deployments.pages.wizard import range_words
from deployments.templatetags.wording import duration, plain, usd, usd_exact
from deployments.timing import Timing

# Widths of the labels in percent of the bar on a wide screen, so that none covers another; the
# last line below must also fit a phone's.
LIKELY_WIDTH, KEPT_WIDTH, STOP_WIDTH, BUDGET_WIDTH = 22.0, 14.0, 50.0, 7.0


@dataclass(frozen=True)
class Label:
    """A text at the bar: where it is tied, and by which end."""

    x: float
    anchor: str
    text: str


@dataclass(frozen=True)
class Budget:
    """A budget at a price: amounts in dollars, lengths in percent of the budget.

    ``above`` stands over the bar, ``below`` under it. ``arithmetic`` is what the landing costs, in
    words; ``caution`` is "" unless the likely total does not stay below the stop.
    """

    budget: Decimal
    stop: Decimal
    kept: Decimal
    low_percent: float | None
    high_percent: float | None
    stop_percent: float
    above: tuple[Label, ...]
    below: tuple[Label, ...]
    headline: str
    arithmetic: str
    caution: str

    @property
    def likely_percent(self) -> float:
        """The length of the likely range."""
        low, high = self.low_percent or 0.0, self.high_percent or 0.0
        return max(0.6, round(high - low, 2))

    @property
    def kept_percent(self) -> float:
        """The length of what is kept back."""
        return round(100 - self.stop_percent, 2)

    @property
    def label(self) -> str:
        """The bar in words."""
        return ", ".join(label.text for label in (*self.above, *self.below))


def budget(
    amount: Decimal,
    *,
    hourly: Decimal,
    likely: Range[Decimal] | None,
    timing: Timing,
    quantum_seconds: int,
) -> Budget:
    """Return what a budget means on a machine of this price."""
    kept = costs.cents_up(costs.reserve(hourly, timing=timing, quantum_seconds=quantum_seconds))
    stop = max(Decimal(0), amount - kept)
    stop_percent = _percent(stop, amount)
    # A likely total above the budget is drawn at its end, and told in words.
    low = min(99.4, _percent(likely.low, amount)) if likely else None
    high = _percent(likely.high, amount) if likely else None
    return Budget(
        budget=amount,
        stop=stop,
        kept=kept,
        low_percent=low,
        high_percent=high,
        stop_percent=stop_percent,
        above=_above(low, high, likely, kept),
        below=_below(stop_percent, stop, amount),
        headline=f"Training stops at {usd(stop)}, so that {usd(kept)} is left for a safe landing.",
        arithmetic=arithmetic(hourly, timing=timing, quantum_seconds=quantum_seconds),
        caution=_caution(likely, stop),
    )


def arithmetic(hourly: Decimal, *, timing: Timing, quantum_seconds: int) -> str:
    """Return what is kept back for saving and ending, second by second."""
    seconds = (
        timing.poll_seconds
        + timing.save_seconds
        + timing.collect_seconds
        + timing.terminate_reserve_seconds
        + quantum_seconds
    )
    exact = costs.reserve(hourly, timing=timing, quantum_seconds=quantum_seconds)
    last = "minute" if quantum_seconds == 60 else f"{quantum_seconds} s"
    return (
        f"From the moment we notice: {_s(timing.poll_seconds)}, then {_s(timing.save_seconds)} to "
        f"save, {_s(timing.collect_seconds)} to bring the adapter home, "
        f"{_s(timing.terminate_reserve_seconds)} to end the machine and see it gone, and one last "
        f"{last} that the cloud may round up. {_s(seconds)} at {usd_exact(hourly)} an hour is "
        f"{usd_exact(exact.quantize(Decimal('0.001')))}, kept as {usd(exact)}."
    )


def buys(amount: Decimal, *, hourly: Decimal) -> str:
    """Return $2.50 buys 1 h 56 min of this machine."""
    if not hourly:
        return "This machine costs nothing: its hours are the limit"
    minutes = (amount / hourly * 60).to_integral_value(rounding=ROUND_DOWN)
    return f"{usd(amount)} buys {duration(float(minutes) * 60)} of this machine"


def keeping(minutes: int, *, hourly: Decimal) -> str:
    """Return Keeping it 10 min to look costs $0.22."""
    return f"Keeping it {minutes} min to look costs {usd(hourly * minutes / 60)}"


def suggested_hours(seconds: Range[float] | None) -> int | None:
    """Return twice the high estimate in whole hours, at least one."""
    return None if seconds is None else max(1, math.ceil(2 * seconds.high / 3600))


def _above(
    low: float | None, high: float | None, likely: Range[Decimal] | None, kept: Decimal
) -> tuple[Label, ...]:
    kept_label = Label(100.0, "end", f"kept back {usd(kept)}")
    if low is None or high is None or likely is None:
        return (kept_label,)
    middle = (low + min(high, 100.0)) / 2
    room = 100 - KEPT_WIDTH - LIKELY_WIDTH / 2
    x = min(max(middle, LIKELY_WIDTH / 2), room)
    return (Label(round(x, 2), "middle", f"likely {range_words.money(likely)}"), kept_label)


def _below(stop_percent: float, stop: Decimal, amount: Decimal) -> tuple[Label, ...]:
    x = max(STOP_WIDTH, min(stop_percent, 100 - BUDGET_WIDTH))
    return (
        Label(0.0, "start", "$0"),
        Label(round(x, 2), "end", f"training stops at {usd(stop)}"),
        Label(100.0, "end", usd(amount)),
    )


def _caution(likely: Range[Decimal] | None, stop: Decimal) -> str:
    if likely is None or likely.high <= stop:
        return ""
    kept = "What was learnt by then is saved and brought home."
    if likely.low > stop:
        return f"The run will likely be stopped before its end: it needs {usd(likely.low)}. {kept}"
    return f"At its dearer end the run would be stopped before it is through. {kept}"


def _percent(amount: Decimal, of: Decimal) -> float:
    return round(min(100.0, float(100 * amount / of)), 2) if of else 0.0


def _s(seconds: float) -> str:
    return f"{plain(seconds)} s"
