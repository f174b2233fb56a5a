"""What burns money now, whether anything is forgotten, and the proof of what is gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from core.errors import RateLimitedError
from core.time import database_now
from deployments import accounts, clouds, second_guard, spending
from deployments.accounts import Account, Accounts
from deployments.models import Machine
from deployments.pages import answers, machine_lines
from deployments.pages import context as top_bar
from deployments.pages.answers import Block, member, page
from deployments.pages.context import Burn
from deployments.pages.machine_lines import BillingLine, ForeignLine, GoneLine, StrayLine
from deployments.templatetags.wording import counted, duration, moment, rate, usd

GONE_SHOWN = 50
GONE_FOR = timedelta(days=machine_lines.KEPT_DAYS)
# After so long a list is told by its time of day, not by its age.
FRESH_FOR = timedelta(minutes=10)


@dataclass(frozen=True)
class Card:
    """A label, the figure that matters, and a line below it; ``tone`` is "", ok, warn or bad."""

    label: str
    figure: str
    line: str
    tone: str = ""


@dataclass(frozen=True)
class MachinesPage:
    """Everything the page shows, as of ``now``."""

    burn: Burn
    cards: tuple[Card, ...]
    reading: str
    reading_is_bad: bool
    billing: tuple[BillingLine, ...]
    foreign: tuple[ForeignLine, ...]
    strays: tuple[StrayLine, ...]
    gone: tuple[GoneLine, ...]
    gone_count: int
    has_accounts: bool

    @property
    def title(self) -> str:
        """The window's title: 3 machines, $4.57 an hour."""
        return f"{self.cards[0].figure} · Machines"


@page
@require_safe
def machines(request: HttpRequest) -> HttpResponse:
    """Show what bills now, what is not ours, and what is proven gone."""
    shown = _read(member(request))
    # Not named "block": a template's blocks shadow that name.
    context = {"page": shown, "all": _block(request, shown)}
    return render(request, "deployments/machines.html", context)


@page
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """Answer what refreshes itself alone."""
    shown = _read(member(request))
    return answers.refreshed(request, _block(request, shown), title=shown.title, bills=True)


@page
@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """Read the accounts now, at most once a minute."""
    try:
        snapshots = accounts.look(member(request))
    except RateLimitedError as error:
        messages.warning(request, f"{error.message} {error.remedy}")
        return redirect("deployments:machines")
    for row in snapshots:
        if row.error is not None:
            messages.error(request, f"{row.error['message']} {row.error['remedy']}".strip())
    if not any(row.error for row in snapshots):
        messages.success(request, f"Read {counted(len(snapshots), 'account')} just now.")
    return redirect("deployments:machines")


def _block(request: HttpRequest, shown: MachinesPage) -> Block:
    return answers.block(
        request,
        "machines",
        "deployments/machines/_all.html",
        {"page": shown},
        url=reverse("deployments:machine-rows"),
        # A run may be started in another window, so it is asked for ever.
        is_live=True,
        every_seconds=5 if shown.billing or shown.strays else 30,
    )


def _read(user: User) -> MachinesPage:
    now = database_now()
    living = top_bar.living_machines(user)
    billing = machine_lines.billing_lines(living, now=now)
    held = accounts.accounts_of(user, strays_since=now - GONE_FOR)
    strays = machine_lines.stray_lines(held)
    gone = Machine.objects.filter(deployment__user=user, gone_at__gte=now - GONE_FOR)
    newest = gone.select_related("deployment").order_by("-gone_at", "-pk")[:GONE_SHOWN]
    burn = top_bar.burn(user, living, now=now)
    reading, is_bad = _reading(held.accounts, now=now)
    return MachinesPage(
        burn=burn,
        cards=(
            _billing_card(billing),
            _spent_card(user, now=now),
            _forgotten_card(held, strays, now=now),
        ),
        reading=reading,
        reading_is_bad=is_bad,
        billing=tuple(billing),
        foreign=tuple(machine_lines.foreign_lines(held, now=now)),
        strays=tuple(strays),
        gone=tuple(machine_lines.gone_lines(list(newest))),
        gone_count=gone.count(),
        has_accounts=bool(held.accounts),
    )


def _billing_card(lines: list[BillingLine]) -> Card:
    if not lines:
        return Card("Billing right now", "Nothing bills", "No machine of ours may live.", "ok")
    hourly = sum((line.machine.hourly for line in lines), Decimal(0))
    cents = f"{hourly * 100 / 60:.1f} cents a minute."
    stuck = sum(line.ends_is_bad for line in lines)
    if stuck:
        line, tone = f"{cents} {counted(stuck, 'machine')} cannot be ended now.", "bad"
    else:
        line, tone = f"{cents} Every one has a run, a budget and an end.", ""
    return Card(
        "Billing right now", f"{counted(len(lines), 'machine')}, {rate(hourly)}", line, tone
    )


def _spent_card(user: User, *, now: datetime) -> Card:
    local = timezone.localtime(now)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    today = spending.spent_since(user, day, now=now)
    month = spending.spent_since(user, day.replace(day=1), now=now)
    return Card("Spent today", usd(today), f"{usd(month)} in {local:%B}")


def _forgotten_card(held: Accounts, strays: list[StrayLine], *, now: datetime) -> Card:
    """Say how many machines carry our name and no run, and when the second guard looked (D7)."""
    left = sum(not stray.is_gone for stray in strays)
    looked = held.guard_looked_at
    late = second_guard.is_late(looked, now=now)
    if looked is None:
        line = "The second guard has never looked: set up its timer."
    elif late:
        line = f"The second guard last looked {moment(looked)}: is its timer running?"
    else:
        line = f"Second guard looked {duration((now - looked).total_seconds())} ago"
    if left:
        return Card("Forgotten machines", f"{left}, being ended", line, "bad")
    return Card("Forgotten machines", "None", line, "warn" if late else "ok")


def _reading(held: tuple[Account, ...], *, now: datetime) -> tuple[str, bool]:
    """Say when the accounts were last read; a list that fails comes before all others."""
    failing = [account for account in held if account.failed_since is not None]
    if failing:
        first = failing[0]
        cloud = clouds.capabilities(first.platform).label
        return f"{cloud} has not told its list since {moment(first.failed_since)}", True
    if not held:
        return "No account is connected", False
    times = [account.listed_at for account in held]
    if None in times:
        return "Not every account was read yet", False
    oldest = min(at for at in times if at is not None)
    names = " and ".join(clouds.capabilities(account.platform).label for account in held)
    age = now - oldest
    when = f"{duration(age.total_seconds())} ago" if age < FRESH_FOR else f"at {moment(oldest)}"
    return f"Read from {names} {when}", False
