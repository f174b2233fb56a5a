"""What machines have cost since a moment, and what may still be spent (F6, T20).

Costs are at the prices frozen at launch. What counts against a cap, and why, is in ``caps``.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet, Sum

from core.errors import ConflictError
from deployments import costs
from deployments.caps import NOT_STARTED, Caps, Committed, MachineCap, MoneyCap
from deployments.models import Deployment, Machine, SpendingLimits, Stray, UserLimits
from deployments.models.deployments import LIVING, TERMINAL
from deployments.models.limits import THE_ROW
from deployments.overview import MAY_LIVE

Limit = TypeVar("Limit", Decimal, int)


@dataclass(frozen=True)
class SheetLine:
    """A user who has spent this month or has living runs."""

    user: User
    month: MoneyCap
    machines: MachineCap


@dataclass(frozen=True)
class Sheet:
    """What counts against the caps now: of everybody together today, of each user this month."""

    at: datetime
    day: MoneyCap
    machines: MachineCap
    users: tuple[SheetLine, ...]


def spent_since(user: User, begin: datetime, *, now: datetime) -> Decimal:
    """Return the cost of the time from ``begin`` on, of machines that are over and that live.

    A machine that was rented before ``begin`` counts with the part of its time since then. Three
    queries; every machine that is read into Python lives or lived across ``begin``.
    """
    machines = Machine.objects.filter(deployment__user=user)
    strays = Stray.objects.filter(deployment__user=user)
    return _costs_by_user(machines, strays, begin, now=now)[user.pk]


def limits() -> SpendingLimits:
    """Return the installation's limits: the defaults until somebody has written the row."""
    return SpendingLimits.objects.filter(pk=THE_ROW).first() or SpendingLimits(pk=THE_ROW)


def hold_limits() -> SpendingLimits:
    """Return the limits, nobody else's until this transaction ends.

    The write does what ``select_for_update`` does not do on SQLite (D5). On PostgreSQL what is
    read after it sees what the one before has committed.
    """
    SpendingLimits.objects.get_or_create(pk=THE_ROW)
    SpendingLimits.objects.filter(pk=THE_ROW).update(daily_usd=F("daily_usd"))
    return limits()


def refusal(user: User, budget: Decimal, *, now: datetime) -> ConflictError | None:
    """Return why a run of this budget would not be accepted now, or None: nothing is promised.

    The kill switch (E_LAUNCHES_BLOCKED), or the first cap, with its arithmetic.
    """
    given = limits()
    return blocked(given) or _caps(given, user, now=now).refusal(budget)


def check(user: User, budget: Decimal, *, now: datetime) -> None:
    """Refuse a run that would not be accepted now, before the cloud is asked.

    Raises: the ConflictError that ``refusal`` returns.
    """
    found = refusal(user, budget, now=now)
    if found is not None:
        raise found


def reserve(user: User, budget: Decimal, *, now: datetime) -> None:
    """Refuse as ``check`` does, in the transaction that writes the deployment.

    Two that are accepted at the same instant take turns, so that the second sees the first.
    """
    hold_limits()
    check(user, budget, now=now)


def blocked(given: SpendingLimits) -> ConflictError | None:
    """Return why nothing may be launched while the kill switch is on, or None."""
    if given.launches_blocked_at is None:
        return None
    reason = f" ({given.launches_blocked_reason})" if given.launches_blocked_reason else ""
    since = f"{given.launches_blocked_at:%Y-%m-%d %H:%M} UTC"
    return ConflictError(
        f"Staff has blocked all launches since {since}{reason}. {NOT_STARTED}",
        remedy="Start again once staff has lifted the block.",
        code="E_LAUNCHES_BLOCKED",
    )


def caps_of(user: User, *, now: datetime) -> Caps:
    """Return all that the user's next run must fit into."""
    return _caps(limits(), user, now=now)


def sheet(*, now: datetime) -> Sheet:
    """Return what counts against all caps."""
    given, kept = limits(), _kept_by_user(now=now)
    of_all = sum(_committed(kept, _spent_by_user(day_of(now), now=now)).values(), Committed())
    month = _committed(kept, _spent_by_user(month_of(now), now=now))
    own = UserLimits.objects.in_bulk(month, field_name="user_id")
    users = User.objects.filter(pk__in=month).order_by("username")
    lines = tuple(
        SheetLine(user, *_caps_of_user(given, own.get(user.pk), month[user.pk])) for user in users
    )
    day, machines = MoneyCap(given.daily_usd, of_all), MachineCap(given.max_machines, of_all.runs)
    return Sheet(now, day, machines, lines)


def day_of(now: datetime) -> datetime:
    """Return when the day began, in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def month_of(now: datetime) -> datetime:
    """Return when the month began, in UTC."""
    return day_of(now).replace(day=1)


def _caps(given: SpendingLimits, user: User, *, now: datetime) -> Caps:
    kept = _kept_by_user(now=now)
    mine = _committed(kept, _spent_by_user(month_of(now), now=now, user=user))
    of_all = sum(_committed(kept, _spent_by_user(day_of(now), now=now)).values(), Committed())
    own = UserLimits.objects.filter(user=user).first()
    month, machines = _caps_of_user(given, own, mine.get(user.pk, Committed()))
    return Caps(
        month=month,
        day=MoneyCap(given.daily_usd, of_all),
        machines=machines,
        all_machines=MachineCap(given.max_machines, of_all.runs),
    )


def _caps_of_user(
    given: SpendingLimits, own: UserLimits | None, committed: Committed
) -> tuple[MoneyCap, MachineCap]:
    mine = own or UserLimits()
    return (
        MoneyCap(_first(mine.monthly_usd, given.user_monthly_usd), committed),
        MachineCap(_first(mine.max_machines, given.user_max_machines), committed.runs),
    )


def _committed(
    kept: Mapping[int, Sequence[Decimal]], spent: Mapping[int, Decimal]
) -> dict[int, Committed]:
    """Return what counts, by user.

    ``kept`` must have been read before ``spent``: a run that ends in between is then counted twice
    rather than not at all.
    """
    return {
        pk: Committed(
            spent_usd=costs.cents_up(spent.get(pk, Decimal(0))),
            reserved_usd=costs.cents_up(sum(kept.get(pk, ()), Decimal(0))),
            runs=len(kept.get(pk, ())),
        )
        for pk in {*kept, *spent}
    }


def _kept_by_user(*, now: datetime) -> Mapping[int, Sequence[Decimal]]:
    """Return what is kept for each living run, by user. Three queries."""
    found: defaultdict[int, list[Decimal]] = defaultdict(list)
    living = Deployment.objects.filter(status__in=LIVING)
    for deployment in living.prefetch_related("machines", "strays"):
        found[deployment.user_id].append(_kept_for(deployment, now=now))
    return found


def _kept_for(deployment: Deployment, *, now: datetime) -> Decimal:
    """Return the budget of a living run, or its cost where that is more already."""
    machines = sum((each.accrued_usd(now) for each in deployment.machines.all()), Decimal(0))
    cost = sum((each.accrued_usd(now) for each in deployment.strays.all()), machines)
    return max(deployment.budget_limit, cost)


def _spent_by_user(
    begin: datetime, *, now: datetime, user: User | None = None
) -> Mapping[int, Decimal]:
    """Return what runs that are over have cost since then, by user; of one or of all."""
    machines = Machine.objects.filter(deployment__status__in=TERMINAL)
    strays = Stray.objects.filter(deployment__status__in=TERMINAL)
    if user is not None:
        machines = machines.filter(deployment__user=user)
        strays = strays.filter(deployment__user=user)
    return _costs_by_user(machines, strays, begin, now=now)


def _first(own: Limit | None, everybodys: Limit | None) -> Limit | None:
    return everybodys if own is None else own


def _costs_by_user(
    machines: QuerySet[Machine], strays: QuerySet[Stray], begin: datetime, *, now: datetime
) -> defaultdict[int, Decimal]:
    """F18, F21: what came late or twice is paid for all the same, and it is rare."""
    found: defaultdict[int, Decimal] = defaultdict(Decimal)
    whole = machines.filter(requested_at__gte=begin, billed_usd__isnull=False)
    for user_id, billed in whole.values_list("deployment__user").annotate(sum=Sum("billed_usd")):
        found[user_id] += billed
    lives = Q(gone_at__isnull=True, launch_state__in=MAY_LIVE)
    across = Q(requested_at__lt=begin, gone_at__gte=begin)
    for machine in machines.filter(lives | across).select_related("deployment"):
        if machine.requested_at < begin or machine.billed_usd is None:
            found[machine.deployment.user_id] += _since(machine, begin, now=now)
    since = Q(gone_at__isnull=True) | Q(gone_at__gte=begin)
    for stray in strays.filter(since, bills_from__isnull=False).select_related("deployment"):
        if stray.deployment is not None:
            found[stray.deployment.user_id] += _since(stray, begin, now=now)
    return found


def _since(line: Machine | Stray, begin: datetime, *, now: datetime) -> Decimal:
    accrued = line.accrued_usd(now)
    started = line.requested_at if isinstance(line, Machine) else line.bills_from
    end = line.gone_at or now
    if started is None or started >= begin or end <= started:
        return accrued
    share = (end - begin) / (end - started)
    return accrued * Decimal(str(max(0.0, share)))
