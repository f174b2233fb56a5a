"""What the operator of an installation may do and must see; the admin calls these.

A person changes no state here: a deployment is looked at sooner, or a notice is put aside. What is
still wrong shows itself again at the next tick (D4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import transaction

from core import audit
from core.errors import ConflictError, InvalidInputError
from core.time import database_now
from deployments import costs
from deployments.models import Artifact, Deployment, Event, Machine, Stray
from deployments.models.deployments import LaunchState, Status
from deployments.snapshot import NOT_LIVE

REASON_CHARACTERS = 500


@dataclass(frozen=True)
class LiveMachine:
    """A machine that may bill now, and what it has cost."""

    machine: Machine
    age_seconds: float
    accrued_usd: Decimal

    @property
    def age_hours(self) -> float:
        """Hours since the launch was asked for."""
        return self.age_seconds / 3600

    @property
    def is_ending(self) -> bool:
        """Whether the cloud was asked to end it."""
        return self.machine.terminate_requested_at is not None


@dataclass(frozen=True)
class Fleet:
    """Everything of this installation that may bill, over all users."""

    at: datetime
    machines: Sequence[LiveMachine]
    strays: Sequence[Stray]

    @property
    def burn_usd_per_hour(self) -> Decimal:
        """What all of them cost in an hour from now, as far as prices are known."""
        prices = [
            *(live.machine.hourly_price for live in self.machines),
            *(stray.hourly_price for stray in self.strays if stray.bills),
        ]
        return sum((price for price in prices if price is not None), Decimal(0))

    @property
    def accrued_usd(self) -> Decimal:
        """What they have cost so far, rounded up to the cent."""
        costs_usd = [
            *(live.accrued_usd for live in self.machines),
            *(stray.accrued_usd(self.at) for stray in self.strays),
        ]
        return costs.cents_up(sum(costs_usd, Decimal(0)))


def fleet() -> Fleet:
    """Return what may live now, dearest first."""
    now = database_now()
    rows = (
        Machine.objects.filter(gone_at__isnull=True)
        .exclude(launch_state__in=NOT_LIVE)
        .select_related("deployment", "deployment__user")
        .order_by("-hourly_price", "requested_at")
    )
    machines = [
        LiveMachine(row, (now - row.requested_at).total_seconds(), row.accrued_usd(now))
        for row in rows
    ]
    strays = Stray.objects.filter(gone_at__isnull=True).order_by("first_seen_at")
    return Fleet(at=now, machines=machines, strays=list(strays))


def retry_collect(deployment: Deployment, *, requested_by: User) -> None:
    """Try now to bring the adapter home, instead of when the last failure said (F60, F61).

    Raises: ConflictError where nothing can come home any more, or everything has.
    """
    reason = _why_collecting_cannot_help(deployment)
    if reason:
        raise ConflictError(f"{deployment.name}: {reason}", remedy="Nothing was changed.")
    now = database_now()
    with transaction.atomic():
        rows = Deployment.objects.filter(pk=deployment.pk, status=Status.COLLECTING)
        if rows.update(next_tick_at=now) != 1:
            raise ConflictError(f"{deployment.name}: it moved on meanwhile.", remedy="Look again.")
        who = requested_by.get_username()
        _tell(deployment, now, "retry_collect", f"{who} asked to try bringing it home again.")
        audit.record("deployment.retry_collect", actor=requested_by, obj=deployment)


def resolve_attention(deployment: Deployment, *, requested_by: User, reason: str) -> None:
    """Put a notice aside, with the reason on record.

    Raises: InvalidInputError without a reason; ConflictError when there is no notice, or when it
    changed since ``deployment`` was read.
    """
    reason = reason.strip()[:REASON_CHARACTERS]
    if not reason:
        raise InvalidInputError(
            "A reason is needed.", remedy="Say what was done about it.", param="reason"
        )
    notice = deployment.attention
    if notice is None:
        raise ConflictError(f"{deployment.name}: nothing asks for attention.", remedy="")
    now = database_now()
    with transaction.atomic():
        current = Deployment.objects.select_for_update().get(pk=deployment.pk)
        if current.attention != notice:
            raise ConflictError(
                f"{deployment.name}: the notice changed meanwhile.", remedy="Read it again."
            )
        Deployment.objects.filter(pk=deployment.pk).update(attention=None)
        who = requested_by.get_username()
        _tell(deployment, now, "attention_resolved", f"{who} marked it resolved: {reason}")
        audit.record(
            "deployment.attention_resolved",
            actor=requested_by,
            obj=deployment,
            code=str(notice.get("code", "")),
            reason=reason,
        )


def _why_collecting_cannot_help(deployment: Deployment) -> str:
    if deployment.status != Status.COLLECTING:
        return f"it is {deployment.status}, and only what is collecting can be collected."
    machine = deployment.machines.order_by("-attempt", "-node").first()
    if machine is None or machine.launch_state != LaunchState.LAUNCHED or not machine.may_live:
        return "its machine is gone, and what it held with it."
    if machine.fault is not None or machine.end_wanted_at is not None:
        return "its machine is being ended."
    if Artifact.objects.filter(machine=machine, kind="adapter").exists():
        return "the adapter is home."
    return ""


def _tell(deployment: Deployment, now: datetime, kind: str, message: str) -> None:
    Event.objects.create(deployment=deployment, at=now, kind=kind, message=message[:1000])
