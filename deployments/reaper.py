"""The account-wide sweep: the second stopper, with a code path of its own (D7).

It asks the cloud for a list of its own and shares nothing with the lifecycle but the rows. It ends
a machine that carries this installation's prefix and is not wanted by any row; machines of others
are never touched (I15, F70).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from core import audit
from core.errors import SlipwayError
from core.installation import installation_id
from core.time import database_now
from deployments import clouds, strays
from deployments.models import Deployment, Machine, Stray
from deployments.models.deployments import TERMINAL, Desired, LaunchState
from deployments.providers import PROVIDERS
from deployments.providers.base import Instance, InstanceStatus, Provider, ProviderError
from deployments.timing import Timing
from secrets_vault.models import VaultEntry

logger = logging.getLogger(__name__)

# The lifecycle ends its own machines; the sweep steps in when that is this much overdue.
OVERDUE = timedelta(minutes=5)
WORKER_ALARM_AFTER = timedelta(minutes=5)
ENDED = frozenset({InstanceStatus.TERMINATING, InstanceStatus.TERMINATED})


@dataclass(frozen=True)
class Finding:
    """One machine of ours at a cloud, and what the sweep thinks of it."""

    instance: Instance
    wanted: bool
    reason: str
    due_at: datetime | None = None
    ended: bool = False
    error: str = ""


@dataclass(frozen=True)
class Report:
    """What one sweep of one account saw and did."""

    entry: VaultEntry
    findings: tuple[Finding, ...] = ()
    others: int = 0
    error: str = ""


def sweep_account(entry: VaultEntry, *, dry_run: bool = False) -> Report:
    """List the account once; end what is ours and unwanted. Never raises for a cloud's failure."""
    try:
        provider = clouds.provider_for(entry)
        instances = provider.list_all()
    # One key that does not open (F80) must not keep the other accounts from being swept.
    except SlipwayError as error:
        return Report(entry=entry, error=f"{error.message} {error.remedy}")
    now = database_now()
    prefix = f"{installation_id()}-"
    ours = [i for i in instances if i.name.startswith(prefix) and i.status not in ENDED]
    if not dry_run:
        _close_strays(entry, instances, now=now)
    findings = tuple(
        _handle(entry, provider, instance, now=now, dry_run=dry_run) for instance in ours
    )
    others = sum(1 for i in instances if not i.name.startswith(prefix))
    return Report(entry=entry, findings=findings, others=others)


def accounts(platform: str | None = None) -> Iterator[VaultEntry]:
    """Return every cloud key in the vault, of one platform or of all."""
    platforms = [platform] if platform else list(PROVIDERS)
    yield from VaultEntry.objects.filter(provider__in=platforms, deleted_at__isnull=True)


def worker_alarm(now: datetime) -> str:
    """Return what to shout when live deployments are no longer ticked (D7), else nothing."""
    late = Deployment.objects.exclude(status__in=TERMINAL).filter(
        created_at__lt=now - WORKER_ALARM_AFTER
    )
    stuck = [d for d in late if (d.last_tick_at or d.created_at) < now - WORKER_ALARM_AFTER]
    if not stuck:
        return ""
    oldest = min(d.last_tick_at or d.created_at for d in stuck)
    return (
        f"{len(stuck)} deployments were last looked at {oldest:%Y-%m-%d %H:%M} UTC or earlier: "
        "is a worker running?"
    )


def _handle(
    entry: VaultEntry, provider: Provider, instance: Instance, *, now: datetime, dry_run: bool
) -> Finding:
    finding = judge(entry, instance, now=now, timing=settings.TIMING)
    if finding.wanted or dry_run:
        return finding
    if not _is_due(entry, finding, now=now):
        return finding
    try:
        provider.terminate(instance.instance_id)
    except ProviderError as error:
        logger.warning("Could not end %s: %s", instance.name, error.message)
        return Finding(instance, wanted=False, reason=finding.reason, error=error.message)
    logger.warning("Ended %s: %s", instance.name, finding.reason)
    audit.record(
        "machine.reaped",
        actor=None,
        obj=entry,
        instance_id=instance.instance_id,
        name=instance.name,
        reason=finding.reason,
    )
    return Finding(instance, wanted=False, reason=finding.reason, ended=True)


def judge(entry: VaultEntry, instance: Instance, *, now: datetime, timing: Timing) -> Finding:
    """Say whether a machine with our prefix is wanted, from the rows alone."""
    machine = Machine.objects.select_related("deployment").filter(name=instance.name).first()
    if machine is None:
        grace = timedelta(seconds=timing.stray_grace_seconds)
        # F69: a restored backup has lost rows; give the operator time to see it.
        return Finding(instance, wanted=False, reason="no row knows it", due_at=now + grace)
    if machine.instance_id and machine.instance_id != instance.instance_id:
        return Finding(instance, wanted=False, reason="a second machine under one name (F21)")
    if machine.launch_state in (LaunchState.REFUSED, LaunchState.NEVER_SEEN):
        return Finding(instance, wanted=False, reason="it appeared late (F18)")
    if machine.gone_at is not None:
        return Finding(instance, wanted=False, reason="good lists had shown it gone (F28)")
    reason = _overdue(machine, now=now, timing=timing)
    return Finding(instance, wanted=not reason, reason=reason or "a live deployment wants it")


def _overdue(machine: Machine, *, now: datetime, timing: Timing) -> str:
    """Return why the lifecycle should have ended this machine by now, else nothing."""
    d = machine.deployment
    if d.is_terminal:
        return "its deployment is over"
    if machine.end_wanted_at is not None and now >= machine.end_wanted_at + OVERDUE:
        return "its end was wanted and is overdue"
    if d.kept_until is not None and now >= d.kept_until + OVERDUE:
        return "it was kept for a look, and that time is over"
    if d.desired == Desired.STOP and _stop_is_overdue(d, now=now, timing=timing):
        return "a stop was asked for and nobody acted on it"
    if d.accrued_usd(now) >= d.budget_limit:
        return "its budget is used up"
    latest = machine.requested_at + timedelta(hours=float(d.max_hours)) + 6 * OVERDUE
    return "its time is used up" if now >= latest else ""


def _stop_is_overdue(d: Deployment, *, now: datetime, timing: Timing) -> bool:
    """Nobody ticks it, or whoever does has had more than the time a landing may take (F10)."""
    if (d.last_tick_at or d.created_at) < now - OVERDUE:
        return True
    landing_seconds = timing.save_seconds + timing.collect_seconds if d.save_wanted else 0.0
    asked = d.events.filter(kind="stop_asked").order_by("id").first()
    return asked is not None and now >= asked.at + OVERDUE + timedelta(seconds=landing_seconds)


def _is_due(entry: VaultEntry, finding: Finding, *, now: datetime) -> bool:
    """Keep a row for each stray; only one without any row of ours gets a grace."""
    instance = finding.instance
    machine = Machine.objects.filter(name=instance.name).first()
    stray = strays.note(
        entry,
        instance_id=instance.instance_id,
        name=instance.name,
        machine=machine,
        now=now,
        due_at=finding.due_at,
        listed_price=instance.hourly_price_usd,
    )
    due = stray.terminate_after <= now
    if due:
        Stray.objects.filter(pk=stray.pk).update(terminated_at=now)
    return due


def _close_strays(entry: VaultEntry, instances: list[Instance], *, now: datetime) -> None:
    """A stray is gone when two good lists far enough apart no longer show it (D3)."""
    timing: Timing = settings.TIMING
    listed = {i.instance_id for i in instances if i.status != InstanceStatus.TERMINATED}
    for stray in Stray.objects.filter(vault_entry=entry, gone_at__isnull=True):
        rows = Stray.objects.filter(pk=stray.pk)
        if stray.instance_id in listed:
            rows.update(absent_since=None)
        elif stray.absent_since is None:
            rows.update(absent_since=now)
        elif (now - stray.absent_since).total_seconds() >= timing.proof_interval_seconds:
            strays.close(stray, now=now)
