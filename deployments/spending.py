"""What a user's machines have cost since a moment, at the prices frozen at launch."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, Sum

from deployments.models import Machine, Stray
from deployments.overview import MAY_LIVE


def spent_since(user: User, begin: datetime, *, now: datetime) -> Decimal:
    """Return the cost of the time from ``begin`` on, of machines that are over and that live.

    A machine that was rented before ``begin`` counts with the part of its time since then. Three
    queries; every machine that is read into Python lives or lived across ``begin``.
    """
    mine = Machine.objects.filter(deployment__user=user)
    whole: dict[str, Any] = mine.filter(requested_at__gte=begin).aggregate(sum=Sum("billed_usd"))
    lives = Q(gone_at__isnull=True, launch_state__in=MAY_LIVE)
    across = Q(requested_at__lt=begin, gone_at__gte=begin)
    parts = [
        _since(machine, begin, now=now)
        for machine in mine.filter(lives | across)
        if machine.requested_at < begin or machine.billed_usd is None
    ]
    return (whole["sum"] or Decimal(0)) + sum(parts, _strays_since(user, begin, now=now))


def _strays_since(user: User, begin: datetime, *, now: datetime) -> Decimal:
    """F18, F21: what came late or twice is paid for all the same, and it is rare."""
    mine = Stray.objects.filter(deployment__user=user, bills_from__isnull=False)
    since = mine.filter(Q(gone_at__isnull=True) | Q(gone_at__gte=begin))
    return sum((_since(stray, begin, now=now) for stray in since), Decimal(0))


def _since(line: Machine | Stray, begin: datetime, *, now: datetime) -> Decimal:
    accrued = line.accrued_usd(now)
    started = line.requested_at if isinstance(line, Machine) else line.bills_from
    end = line.gone_at or now
    if started is None or started >= begin or end <= started:
        return accrued
    share = (end - begin) / (end - started)
    return accrued * Decimal(str(max(0.0, share)))
