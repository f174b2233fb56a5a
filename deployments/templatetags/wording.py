"""How figures are worded on every page: money, times, sizes. Plain functions, used as filters.

Money is rounded up to the cent, times are those of the server's zone (the footer names it), and
what is not known is said to be so, never zero or a dash.
"""

import math
from datetime import UTC, date, datetime
from decimal import ROUND_UP, Decimal

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

NOT_KNOWN = "not known yet"
# A line must not break between a figure and its unit.
SPACE = "\N{NO-BREAK SPACE}"
_DAY = 86400


@register.filter
def usd(amount: Decimal | None) -> str:
    """Return dollars and cents, rounded up: 1.0501 is $1.06."""
    if amount is None:
        return NOT_KNOWN
    return f"${amount.quantize(Decimal('0.01'), rounding=ROUND_UP):,}"


@register.filter
def usd_exact(amount: Decimal | None) -> str:
    """Return dollars with up to four decimals, for arithmetic: 0.111 is $0.111, 1.5 is $1.50."""
    if amount is None:
        return NOT_KNOWN
    cut = amount.quantize(Decimal("0.0001")).normalize()
    decimals = max(2, -int(cut.as_tuple().exponent))
    return f"${cut:,.{decimals}f}"


@register.filter
def rate(hourly: Decimal | None) -> str:
    """Return a price for an hour: $1.29 an hour."""
    return NOT_KNOWN if hourly is None else f"{usd_exact(hourly)} an hour"


@register.filter
def count(number: int | None) -> str:
    """Return a whole number with commas: 1,204."""
    return NOT_KNOWN if number is None else f"{number:,}"


@register.filter
def counted(number: int, word: str) -> str:
    """Return a number with its noun: 1 row, 2 rows; give the plural too when it is no "s"."""
    singular, _, plural = word.partition(",")
    return f"{number:,}{SPACE}{singular if number == 1 else plural or singular + 's'}"


@register.filter
def percent(share: float | None) -> str:
    """Return whole percent, rounded down, so that 100 % means done: 62 %."""
    return NOT_KNOWN if share is None else f"{math.floor(share)}{SPACE}%"


@register.filter
def figure(value: float | None) -> str:
    """Return a loss or a like figure with the digits that matter: 1.164, 0.0213, 7.6e-05."""
    if value is None:
        return "not a number"
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.3f}"
    return f"{value:.1e}" if abs(value) < 0.001 or abs(value) >= 100_000 else f"{value:.4g}"


@register.filter
def plain(value: float | None) -> str:
    """Return a setting as one would type it: 0.0002 is 2e-4, 1.0 is 1."""
    if value is None:
        return ""
    if value != 0 and abs(value) < 0.001:
        mantissa, _, exponent = f"{value:e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}"


@register.filter
def size(size_bytes: int | None) -> str:
    """Return bytes in decimal units: 84 MB, 1.9 MB, 2.1 kB."""
    if size_bytes is None:
        return NOT_KNOWN
    if size_bytes < 1000:
        return f"{size_bytes}{SPACE}B"
    value, unit = float(size_bytes), "B"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007  # the unit at which it stops is wanted
        value /= 1000
        if value < 999.5:
            break
    return f"{value:.1f}{SPACE}{unit}" if value < 9.95 else f"{value:.0f}{SPACE}{unit}"


@register.filter
def duration(seconds: float | None) -> str:
    """Return how long something took or has run, to the second: 31 min 49 s."""
    if seconds is None:
        return NOT_KNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return _joined(whole // 60, "min", whole % 60, "s")
    if whole < _DAY:
        return _joined(whole // 3600, "h", whole % 3600 // 60, "min")
    return _joined(whole // _DAY, "d", whole % _DAY // 3600, "h")


@register.filter
def minutes(seconds: float | None) -> str:
    """Return a time in begun minutes, as clouds bill it: 49 min."""
    if seconds is None:
        return NOT_KNOWN
    begun = math.ceil(max(0.0, seconds) / 60)
    return f"{begun}{SPACE}min" if begun < 60 else _joined(begun // 60, "h", begun % 60, "min")


@register.filter
def stopwatch(seconds: float | None) -> str:
    """Return a time for a column of times, as a stopwatch shows it: 4:07, 35:18, 1:02:03."""
    if seconds is None:
        return NOT_KNOWN
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    if hours:
        return f"{hours:,}:{rest // 60:02}:{rest % 60:02}"
    return f"{rest // 60}:{rest % 60:02}"


@register.filter
def about(seconds: float | None) -> str:
    """Return a forecast, rough on purpose: about 16 min."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 50:
        return "less than a minute"
    return f"about {minutes(max(60.0, round(seconds / 60) * 60.0))}"


@register.filter
def moment(at: datetime | None, now: datetime | None = None) -> str:
    """Return when something was: 13:46, yesterday 17:20, Fri 11:48, then 3 Nov."""
    return NOT_KNOWN if at is None else _moment(at, now=now, clock="%H:%M", far_clock=False)


@register.filter
def moment_exact(at: datetime | None, now: datetime | None = None) -> str:
    """Return when something was to the second, for proof, logs and events: 14:02:31."""
    return NOT_KNOWN if at is None else _moment(at, now=now, clock="%H:%M:%S", far_clock=True)


@register.filter
def clock(at: datetime) -> str:
    """Return the time of day to the second, for lines of a log: 13:45:57."""
    return timezone.localtime(at).strftime("%H:%M:%S")


@register.filter
def utc(at: datetime) -> str:
    """Return a time in UTC to the second: 2026-03-02 13:45:57 UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _moment(at: datetime, *, now: datetime | None, clock: str, far_clock: bool) -> str:
    local = timezone.localtime(at)
    today = timezone.localtime(now).date()
    time = local.strftime(clock)
    days = (today - local.date()).days
    if days == 0:
        return time
    if days == 1:
        return f"yesterday {time}"
    if days == -1:
        return f"tomorrow {time}"
    if 1 < days < 7:
        return f"{local:%a} {time}"
    day = _day(local.date(), today=today)
    return f"{day} {time}" if far_clock or days < 0 else day


def _day(day: date, *, today: date) -> str:
    written = f"{day.day} {day:%b}"
    return written if day.year == today.year else f"{written} {day.year}"


@register.simple_tag
def time_of(at: datetime | None, *, exact: bool = False) -> SafeString | str:
    """Return the time as an element that also carries it in UTC, for hovering and programs."""
    if at is None:
        return NOT_KNOWN
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.astimezone(UTC).isoformat(timespec="seconds"),
        utc(at),
        moment_exact(at) if exact else moment(at),
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return one icon of the sprite; it repeats what the words beside it say."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )


def _joined(first: int, first_unit: str, second: int, second_unit: str) -> str:
    head = f"{first}{SPACE}{first_unit}"
    return f"{head} {second}{SPACE}{second_unit}" if second else head
