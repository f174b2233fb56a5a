"""Scales and their ticks: from values to places, in steps that people count in. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

MINUTE, HOUR, DAY = 60, 3600, 86400
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_HOURS = (HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY)
# A logarithmic scale shows at most so many powers of ten; what is lower lies on its floor.
_POWERS = 9
# How much of a scale lies empty above its highest value, and below its lowest.
_ROOM = 0.05
# Below this a logarithm has no digits left.
_SMALLEST = 1e-290
Words = Callable[[float, float], str]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: at which value, and the word beside it."""

    value: float
    text: str


@dataclass(frozen=True)
class Scale:
    """The part of an axis that is shown, and its ticks in order."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high one."""
        low, high = self._along(self.low), self._along(self.high)
        share = (self._along(value) - low) / (high - low)
        return min(1.0, max(0.0, share))

    def shows(self, value: float | None) -> bool:
        """Whether a value has a place here: a logarithm needs it to be above zero."""
        return value is not None and (value > _SMALLEST or not self.is_log)

    def _along(self, value: float) -> float:
        if not self.is_log:
            return value
        return math.log10(max(value, self.low))


def linear(values: Iterable[float], *, about: int, words: Words, from_zero: bool = False) -> Scale:
    """Return a scale over the values with a little room, and round numbers as its ticks."""
    low, high = _with_room(list(values), from_zero=from_zero)
    return Scale(low, high, _round_ticks(low, high, about=about, words=words))


def logarithmic(values: Iterable[float], *, about: int, words: Words) -> Scale | None:
    """Return a logarithmic scale over the values above zero; None without any."""
    found = [value for value in values if value > _SMALLEST]
    if not found:
        return None
    high = math.log10(max(found))
    low = max(math.log10(min(found)), high - _POWERS)
    room = max(_ROOM * (high - low), 0.02)
    bottom, top = 10 ** (low - room), 10 ** (high + room)
    ticks = _log_ticks(bottom, top, about=about, words=words)
    return Scale(bottom, top, ticks, is_log=True)


def _with_room(values: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if from_zero and low >= 0:
        return 0.0, high * (1 + _ROOM) or 1.0
    room = (high - low) * _ROOM
    if high - low < 1e-9 * max(1.0, abs(high)):
        # One value alone needs room of its own size.
        room = max(abs(high), abs(low)) / 2 or 0.5
    return low - room, high + room


def _round_ticks(low: float, high: float, *, about: int, words: Words) -> tuple[Tick, ...]:
    """Return round numbers from low to high: about so many, never fewer than two."""
    step = nice_step(high - low, about=about)
    while (last := math.floor(high / step)) <= (first := math.ceil(low / step)):
        step /= 2
    return tuple(Tick(n * step, words(n * step, step)) for n in range(first, last + 1))


def _log_ticks(low: float, high: float, *, about: int, words: Words) -> tuple[Tick, ...]:
    """Return powers of ten, with 2 and 5 between few; plain round numbers where there are fewer."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1,), (1, 2, 5)):
        marks = [part * float(f"1e{power}") for power in powers for part in parts]
        shown = [mark for mark in marks if low <= mark <= high]
        if len(shown) >= min(about, 3):
            stride = -(-len(shown) // (about + 2))
            return tuple(Tick(mark, words(mark, mark)) for mark in shown[::stride])
    return _round_ticks(low, high, about=about, words=words)


def along(high: float, *, about: int, step: float, words: Words) -> Scale:
    """Return the scale of an x axis from 0 to ``high``, whose end is always named."""
    marks = [step * number for number in range(math.ceil(high / step))]
    # A round number too near to the end gives way.
    kept = [mark for mark in marks if high - mark > step * 0.45]
    return Scale(0.0, high, tuple(Tick(at, words(at, step)) for at in [*kept, high]))


def nice_step(width: float, *, about: int) -> float:
    """Return 1, 2, 2.5 or 5 times a power of ten that cuts ``width`` into about so many parts."""
    rough = width / about
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough * 0.999), 10 * power)


def clock_step(seconds: float, *, about: int) -> float:
    """Return the step of an axis of time: seconds, minutes, hours or days as clocks count them."""
    rough = seconds / about
    steps: Sequence[float] = (*_SECONDS, *_HOURS)
    return next(
        (step for step in steps if step >= rough * 0.999),
        math.ceil(rough / DAY) * float(DAY),
    )


def number_words(value: float, step: float) -> str:
    """Return a figure beside an axis, as short as its ``step`` allows: 1.75, 500, 1k, 2e-4."""
    if value == 0:
        return "0"
    if abs(value) >= 1e15 or 0 < abs(value) < 0.001 or step < 1e-4:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    for power, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= power:
            return f"{value / power:.4g}{unit}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9) + 1)
    text = f"{value:.{decimals}f}"
    if "." not in text:
        return text
    text = text.rstrip("0").rstrip(".")
    return f"{text}.0" if "." not in text and step < 1 else text


def whole_words(value: float, step: float) -> str:
    """Return a count: 200,000."""
    del step
    return f"{value:,.0f}"


def percent_words(value: float, step: float) -> str:
    """Return a share of a hundred: 50 %."""
    return "0" if value == 0 else f"{number_words(value, step)}\N{NO-BREAK SPACE}%"


def money_words(value: float, step: float) -> str:
    """Return dollars and cents, or whole dollars where the steps are such: $0.50, $20."""
    if value == 0:
        return "$0"
    return f"${value:,.0f}" if step >= 1 else f"${value:,.2f}"


def clock_words(seconds: float, step: float) -> str:
    """Return a time since the start: 40 s, 25 min, 1 h 30 min, 2 d 6 h."""
    del step
    if seconds < MINUTE:
        return "0" if seconds < 0.5 else f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < DAY:
        hours, minutes = divmod(round(seconds / MINUTE), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / HOUR), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
