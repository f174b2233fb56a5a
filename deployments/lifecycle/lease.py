"""One writer at a time: a lease on the deployment's row, fenced by its version (D5)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from core.database import retried
from core.time import database_now
from deployments import telling
from deployments.lifecycle.edges import is_allowed
from deployments.models import Deployment, Event, Machine
from deployments.models.deployments import TERMINAL, Desired, Status

# A stop may take the lease from any slice but these: their answers must not be thrown away.
NOT_TAKEN_OVER = ("launch",)
# A checkpoint on its way home makes room for any stop: what has come stays on the disk.
FETCH = "fetch"


class LeaseLostError(Exception):
    """Somebody else writes this deployment now; whoever gets this stops at once."""


class Lease:
    """The right to write one deployment's row and its machines', until ``lease_until``.

    Every write requires the version that taking the lease gave; a write that finds another
    version raises LeaseLostError and changes nothing.
    """

    def __init__(self, deployment: Deployment, *, version: int, now: datetime) -> None:
        self.deployment = deployment
        self.version = version
        self.now = now

    @classmethod
    def take(cls, deployment_id: UUID | str, *, purpose: str, seconds: float) -> "Lease | None":
        """Return the lease, or None while another worker holds it or when there is no such row.

        A deployment that is wanted stopped gives its lease away early, so that a slow upload
        does not delay the end of a machine.
        """
        now = database_now()
        deployment = Deployment.objects.filter(pk=deployment_id).first()
        if deployment is None:
            return None
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
        takeover = Q(desired=Desired.STOP, save_wanted=False) & ~Q(
            lease_purpose__in=(*NOT_TAKEN_OVER, "stop")
        ) | Q(desired=Desired.STOP, lease_purpose=FETCH)
        version = deployment.version
        claims_stop = deployment.desired == Desired.STOP and not deployment.save_wanted
        taken = (
            Deployment.objects.filter(pk=deployment_id, version=version)
            .filter(free | takeover)
            .update(
                version=F("version") + 1,
                lease_until=now + timedelta(seconds=seconds),
                lease_purpose="stop" if claims_stop else purpose,
            )
        )
        if taken != 1:
            return None
        deployment.refresh_from_db()
        return cls(deployment, version=version + 1, now=now)

    def write(
        self,
        *,
        deployment: Mapping[str, object] | None = None,
        machine: Machine | None = None,
        machine_changes: Mapping[str, object] | None = None,
        create: Machine | None = None,
        event: Event | None = None,
        to: Status | None = None,
    ) -> None:
        """Write all of it in one transaction, or raise LeaseLostError and write nothing.

        Done again while the database is away (F76): what a cloud or a machine has just answered
        would cost another call. The version says each time whether the lease still holds.
        Raises: ValueError for a status change that the edge table does not have.
        """
        changes: dict[str, Any] = dict(deployment or {})
        if to is not None:
            changes |= self._status_changes(to)

        def write_all() -> None:
            rows = Deployment.objects.filter(pk=self.deployment.pk, version=self.version)
            # Without changes this still proves the version, and locks the row on PostgreSQL.
            if rows.update(**(changes or {"version": self.version})) != 1:
                raise LeaseLostError(str(self.deployment.pk))
            if create is not None:
                create.save(force_insert=True)
            if machine is not None and machine_changes:
                Machine.objects.filter(pk=machine.pk).update(**machine_changes)
            if event is not None:
                event.version = self.version
                # The number a try before had was undone with it, and may be another's by now.
                event.pk = None
                event.save(force_insert=True)
                telling.tell(event)
            if to is not None:
                self._copy_to_job(to)

        retried(write_all)

    def renew(self, *, purpose: str, seconds: float) -> None:
        """Hold on for ``seconds`` from now, for ``purpose``; raises LeaseLostError if taken."""
        self.now = database_now()
        self.write(
            deployment={
                "lease_until": self.now + timedelta(seconds=seconds),
                "lease_purpose": purpose,
            }
        )

    def release(self, *, next_tick_at: datetime | None) -> None:
        """Give the lease back and say when to look again; harmless when it was lost.

        A wish that came after our look is looked at now, not when we meant to look again (F24).
        """
        held = Deployment.objects.filter(pk=self.deployment.pk, version=self.version)
        back = {"lease_until": None, "lease_purpose": "", "last_tick_at": self.now}
        as_we_saw = held.filter(
            desired=self.deployment.desired, save_wanted=self.deployment.save_wanted
        )
        if as_we_saw.update(**back, next_tick_at=next_tick_at) == 0:
            held.update(**back, next_tick_at=database_now())

    def event(
        self,
        kind: str,
        message: str,
        *,
        machine: Machine | None = None,
        data: Mapping[str, object] | None = None,
        to: Status | None = None,
    ) -> Event:
        """Return an unsaved event of this deployment, to be given to ``write``."""
        return Event(
            deployment=self.deployment,
            machine=machine,
            at=self.now,
            kind=kind,
            message=message[:1000],
            from_status=self.deployment.status if to else "",
            to_status=to or "",
            data=dict(data or {}),
        )

    def _status_changes(self, to: Status) -> dict[str, Any]:
        if not is_allowed(self.deployment.status, to):
            raise ValueError(f"no edge from {self.deployment.status} to {to}")
        return {"status": to, "phase": to, "status_since": self.now}

    def _copy_to_job(self, to: Status) -> None:
        """A job's status is that of its newest deployment."""
        job = self.deployment.job
        newest = job.deployments.order_by("-created_at").values_list("pk", flat=True).first()
        if newest != self.deployment.pk:
            return
        changes: dict[str, Any] = {"status": to}
        if to == Status.TRAINING and job.started_at is None:
            changes["started_at"] = self.now
        if to in TERMINAL:
            changes["completed_at"] = self.now
        type(job).objects.filter(pk=job.pk).update(**changes)
