"""How ranges of time and money are worded: never like the single number of a limit (pure)."""

import math
from collections.abc import Callable
from decimal import Decimal

from deployments.estimate import Range
from deployments.templatetags.wording import NOT_KNOWN, SPACE, usd

HOUR_SECONDS = 3600
DAY_SECONDS = 86400
# From here on minutes say nothing any more.
LONG_SECONDS = 3 * HOUR_SECONDS


def money(amounts: Range[Decimal] | None) -> str:
    """Return $0.80 to $1.10; one amount where both are the same cent."""
    if amounts is None:
        return NOT_KNOWN
    low, high = usd(amounts.low), usd(amounts.high)
    return low if low == high else f"{low} to {high}"


def time(seconds: Range[float] | None) -> str:
    """Return 37 to 51 min, 3.5 to 5 h, 2 to 14 days; one figure where both round to the same."""
    if seconds is None:
        return NOT_KNOWN
    if seconds.high < 60:
        return "less than a minute"
    if seconds.high < LONG_SECONDS:
        unit, low, high = "min", math.floor(seconds.low / 60), math.ceil(seconds.high / 60)
        return _joined(str(max(1, low)), str(high), unit)
    if seconds.high < 2 * DAY_SECONDS:
        low_h, high_h = seconds.low / HOUR_SECONDS, seconds.high / HOUR_SECONDS
        return _joined(_short(low_h, math.floor), _short(high_h, math.ceil), "h")
    return _joined(
        _short(seconds.low / DAY_SECONDS, math.floor),
        f"{math.ceil(seconds.high / DAY_SECONDS):,}",
        "days",
    )


def _short(value: float, to_whole: Callable[[float], int]) -> str:
    """Return a value with one decimal below ten, rounded away from the middle of its range."""
    return f"{to_whole(value * 10) / 10:g}" if value < 10 else f"{to_whole(value):,}"


def _joined(low: str, high: str, unit: str) -> str:
    return f"{high}{SPACE}{unit}" if low == high else f"{low} to {high}{SPACE}{unit}"
