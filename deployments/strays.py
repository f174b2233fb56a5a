"""Machines under our names that no run wants, and what they cost (F18, F21, F69).

One that appeared late, a second one under one name, one that came back after its proof of gone.
Its rent counts in its run's bill from the first moment it may have been rented until it is proven
gone: whose mistake it was changes nothing in the cloud's bill.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from core import audit
from deployments import clouds, costs, telling
from deployments.lifecycle import faults
from deployments.models import Deployment, Event, Machine, Stray
from deployments.models.deployments import TERMINAL, may_rent_under
from secrets_vault.models import VaultEntry

# <install>-<deployment8>-a<n>-n<node>-t<epoch> (D1).
OUR_NAME = re.compile(r"[^-]+-(?P<deployment>[0-9a-f]{8})-a\d+-n\d+-t(?P<epoch>\d{1,11})")


def note(
    entry: VaultEntry,
    *,
    instance_id: str,
    name: str,
    machine: Machine | None,
    now: datetime,
    due_at: datetime | None = None,
    listed_price: Decimal | None = None,
) -> Stray:
    """Write down that it was seen, to be ended from ``due_at`` on; tell its run when it is new.

    ``machine`` is the row of that name, if there is one; ``listed_price`` what the cloud tells.
    """
    with transaction.atomic():
        stray, _ = Stray.objects.select_for_update().get_or_create(
            vault_entry=entry,
            instance_id=instance_id,
            defaults={
                "deployment": machine.deployment if machine else _named(entry, name),
                "name": name[:100],
                "first_seen_at": now,
                "last_seen_at": now,
                "terminate_after": due_at or now,
                "billing_quantum_seconds": _quantum_seconds(entry, machine),
            },
        )
        billed = stray.bills
        stray.last_seen_at = now
        stray.absent_since = stray.gone_at = stray.billed_usd = None
        stray.bills_from = stray.bills_from or _bills_from(machine, instance_id, name, now=now)
        prices = (stray.hourly_price, machine.hourly_price if machine else None, listed_price)
        stray.hourly_price = max((price for price in prices if price is not None), default=None)
        stray.save()
        if stray.bills and not billed:
            _tell_of(stray, now=now)
    return stray


def close(stray: Stray, *, now: datetime) -> None:
    """Write its bill, now that it is proven gone; a run that was over costs that much more."""
    with transaction.atomic():
        runs = Deployment.objects.select_for_update()
        deployment = runs.filter(strays=stray).first()
        open_row = Stray.objects.filter(pk=stray.pk, gone_at__isnull=True)
        if open_row.update(gone_at=now, billed_usd=stray.accrued_usd(now)) != 1:
            return
        if deployment is None or stray.bills_from is None:
            return
        cost = costs.cents_up(stray.accrued_usd(now))
        _tell(deployment, now, "stray_gone", f"{stray.name} is proven gone. It cost ${cost}.")
        if deployment.is_terminal:
            _correct(deployment, stray, now=now)


def _bills_from(
    machine: Machine | None, instance_id: str, name: str, *, now: datetime
) -> datetime | None:
    """Return the first moment that no row of a machine counts; None while one counts it.

    A machine of the user's own was off while it was away, and is nobody's bill.
    """
    if machine is not None and clouds.capabilities(machine.platform).is_own:
        return None
    if machine is None:
        named = OUR_NAME.fullmatch(name)
        asked_at = datetime.fromtimestamp(int(named["epoch"]), UTC) if named else now
        return min(asked_at, now)
    return machine.gone_at if machine.instance_id == instance_id else machine.requested_at


def _named(entry: VaultEntry, name: str) -> Deployment | None:
    """F69: its machine's row is lost, but its name still tells whose it is."""
    named = OUR_NAME.fullmatch(name)
    if named is None:
        return None
    first, last = (UUID(named["deployment"] + digit * 24) for digit in "0f")
    mine = Deployment.objects.filter(may_rent_under(entry))
    found = mine.filter(pk__gte=first, pk__lte=last)[:2]
    return found[0] if len(found) == 1 else None


def _quantum_seconds(entry: VaultEntry, machine: Machine | None) -> int:
    if machine is not None:
        return machine.billing_quantum_seconds
    return clouds.capabilities(entry.provider).billing_quantum_seconds


def _tell_of(stray: Stray, *, now: datetime) -> None:
    deployment = stray.deployment
    if deployment is None:
        return
    price = (
        "" if stray.hourly_price is None else f" at ${costs.cents_up(stray.hourly_price)} an hour"
    )
    _tell(
        deployment,
        now,
        "stray",
        f"{stray.instance_id} under the name {stray.name} is wanted by no run. It bills{price}, "
        "counted in this run, until we have ended it and proven it gone.",
    )
    # Nobody ticks a run that is over, so nobody else says it (I1).
    over = Deployment.objects.filter(pk=deployment.pk, status__in=TERMINAL)
    over.update(attention=faults.strays())


def _correct(deployment: Deployment, stray: Stray, *, now: datetime) -> None:
    """Add what came late to the final cost: no line of the bill is changed (F71)."""
    before = deployment.actual_cost or Decimal(0)
    after = max(before, deployment.accrued_usd(now))
    rows = Deployment.objects.filter(pk=deployment.pk)
    rows.update(actual_cost=after)
    if not any(each.bills for each in deployment.strays.all()):
        rows.filter(attention__code=faults.strays()["code"]).update(attention=None)
    told = f"The final cost is ${costs.cents_up(after)} instead of ${costs.cents_up(before)}."
    _tell(deployment, now, "late_cost", f"{told} {stray.name} had billed after the run was over.")
    audit.record(
        "deployment.late_cost",
        actor=None,
        obj=deployment,
        instance_id=stray.instance_id,
        name=stray.name,
        before_usd=str(before),
        after_usd=str(after),
    )


def _tell(deployment: Deployment, now: datetime, kind: str, message: str) -> None:
    told = {"kind": kind, "message": message[:1000]}
    telling.tell(Event.objects.create(deployment=deployment, at=now, **told))
