"""The lister: one good list per key, and what it says about each of our machines (D3, D4)."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from core.errors import SlipwayError
from core.time import database_now
from deployments import clouds
from deployments.models import CloudSnapshot, Deployment, Machine, Stray
from deployments.models.deployments import TERMINAL, LaunchState, may_rent_under
from deployments.providers.base import Instance, InstanceStatus, Provider, ProviderError
from deployments.timing import Timing
from secrets_vault.models import VaultEntry

logger = logging.getLogger(__name__)

NOT_LIVE = (LaunchState.REFUSED, LaunchState.NEVER_SEEN)
# F68: so many suspect lists in a row are believed.
SUSPECT_LISTS_BELIEVED = 3
# F58: while a cloud does not answer, it is asked less often.
FAILED_LIST_PAUSE_LIMIT_SECONDS = 60.0


def list_cloud(entry_id: UUID | str) -> CloudSnapshot:
    """Ask for one list under this key and write down what it shows.

    A failed or suspect list changes no machine's row: absence of knowledge is not knowledge (I13).
    """
    timing: Timing = settings.TIMING
    entry = VaultEntry.objects.get(pk=entry_id)
    snapshot, _ = CloudSnapshot.objects.get_or_create(vault_entry=entry)
    asked_at = database_now()
    try:
        provider = clouds.provider_for(entry)
        instances = provider.list_all()
        marker = _account_marker(provider, snapshot, instances)
    # A key that does not open tells as little as a cloud that does not answer (F80).
    except SlipwayError as error:
        return _note_failure(snapshot, error, asked_at=asked_at, timing=timing)
    with transaction.atomic():
        if not _store(snapshot, instances, marker=marker, asked_at=asked_at, timing=timing):
            return snapshot
        for machine in watched_machines(entry.pk):
            _observe(machine, instances, asked_at=asked_at, timing=timing)
    return snapshot


def watched_machines(entry_id: UUID) -> Iterable[Machine]:
    """Return the machines under this key that may live."""
    return Machine.objects.filter(vault_entry=entry_id, gone_at__isnull=True).exclude(
        launch_state__in=NOT_LIVE
    )


def is_watched(entry_id: UUID, *, now: datetime, timing: Timing) -> bool:
    """Say whether lists of this key are needed: something may live, or may still appear (D2)."""
    since = now - timedelta(seconds=timing.watch_seconds)
    # What was never seen, its launch answered or not, may still show up as a machine (F18).
    never_seen = Q(launch_state=LaunchState.NEVER_SEEN) | Q(
        launch_state=LaunchState.LAUNCHED, seen_at__isnull=True
    )
    lately = Machine.objects.filter(vault_entry=entry_id, deployment__completed_at__gte=since)
    return (
        # Also where it may yet rent: a launch whose worker died is settled by lists (D2).
        Deployment.objects.filter(may_rent_under(entry_id)).exclude(status__in=TERMINAL).exists()
        or lately.filter(never_seen).exists()
        or any(True for _ in watched_machines(entry_id))
        or Stray.objects.filter(vault_entry=entry_id, gone_at__isnull=True).exists()
    )


def is_suspect(instances: list[Instance], *, wanted_ids: set[str]) -> bool:
    """F28, F68: a list that misses more than half of the machines we keep is suspect.

    Counted among machines not asked to end, and only when there are at least two of them.
    """
    if len(wanted_ids) < 2:
        return False
    listed = {instance.instance_id for instance in instances}
    return len(wanted_ids - listed) * 2 > len(wanted_ids)


def _wanted_ids(snapshot: CloudSnapshot) -> set[str]:
    """Return the ids of the machines that were seen under this key and not asked to end."""
    kept = Machine.objects.filter(gone_at__isnull=True, end_wanted_at__isnull=True)
    seen = kept.exclude(instance_id="").exclude(seen_at__isnull=True)
    mine = seen.filter(vault_entry=snapshot.vault_entry_id)
    return set(mine.values_list("instance_id", flat=True))


def _account_marker(
    provider: Provider, snapshot: CloudSnapshot, instances: list[Instance]
) -> str | None:
    """Ask which account this list is of, where that matters (F68); None: it was not asked.

    Once when it shows a machine of ours, to know the account; then when it misses one.
    """
    wanted = _wanted_ids(snapshot)
    shown = {instance.instance_id for instance in instances}
    learns = not snapshot.account_marker and wanted & shown
    doubts = snapshot.account_marker and wanted - shown
    if not learns and not doubts:
        return None
    return provider.account_marker(clouds.login_key().public_key)


def _store(
    snapshot: CloudSnapshot,
    instances: list[Instance],
    *,
    marker: str | None,
    asked_at: datetime,
    timing: Timing,
) -> bool:
    """Save the list; False when a newer one is there already or this one is suspect."""
    known = snapshot.account_marker
    is_anothers = marker is not None and bool(known) and marker != known
    suspect = is_anothers or is_suspect(instances, wanted_ids=_wanted_ids(snapshot))
    held = suspect and snapshot.suspect_lists + 1 < SUSPECT_LISTS_BELIEVED
    next_list_at = asked_at + timedelta(seconds=timing.poll_seconds)
    changes: dict[str, object] = {
        "suspect_lists": snapshot.suspect_lists + 1 if suspect else 0,
        "next_list_at": next_list_at,
        "failed_since": None,
        "error": None,
    }
    if not held:
        changes |= {
            "instances": _as_rows(instances, earlier=snapshot.instances, asked_at=asked_at),
            "listed_at": asked_at,
            "good_lists": snapshot.good_lists + 1,
            # Believed in the end: it is the account now.
            "account_marker": known if marker is None else marker,
        }
    else:
        logger.warning(
            "Suspect list of key %s: %d machines", snapshot.vault_entry_id, len(instances)
        )
    stored = CloudSnapshot.objects.filter(pk=snapshot.pk, version=snapshot.version).update(
        version=F("version") + 1, **changes
    )
    snapshot.refresh_from_db()
    return stored == 1 and not held


def _observe(
    machine: Machine, instances: list[Instance], *, asked_at: datetime, timing: Timing
) -> None:
    """Fold one good list into a machine's row."""
    shown = _find(machine, instances)
    if shown is not None and shown.status != InstanceStatus.TERMINATED:
        Machine.objects.filter(pk=machine.pk).update(
            seen_instance_id=shown.instance_id,
            seen_status=shown.status,
            unhealthy_since=(machine.unhealthy_since or asked_at)
            if shown.status == InstanceStatus.UNHEALTHY
            else None,
            seen_ip=shown.ip or machine.seen_ip,
            # The port belongs to the address: both come and change together.
            seen_ssh_port=shown.ssh_port if shown.ip else machine.seen_ssh_port,
            seen_instance_type=shown.instance_type or machine.seen_instance_type,
            seen_region=shown.region or machine.seen_region,
            seen_hourly_price=shown.hourly_price_usd or machine.seen_hourly_price,
            seen_at=asked_at,
            absent_since=None,
            absent_until=None,
            absent_lists=0,
        )
    elif asked_at >= absence_counts_from(machine, timing=timing):
        Machine.objects.filter(pk=machine.pk).update(
            absent_since=machine.absent_since or asked_at,
            absent_until=asked_at,
            absent_lists=F("absent_lists") + 1,
        )
    Deployment.objects.filter(pk=machine.deployment_id, lease_until__isnull=True).exclude(
        status__in=TERMINAL
    ).filter(next_tick_at__gt=asked_at).update(next_tick_at=asked_at)


def absence_counts_from(machine: Machine, *, timing: Timing) -> datetime:
    """Return from when on a list without the machine means something.

    A launch that was accepted may show up late (F18), so its absence counts only after the
    visibility window, unless it was seen before.
    """
    ended = machine.launch_ended_at or (
        machine.requested_at + timedelta(seconds=timing.launch_timeout_seconds)
    )
    if machine.launch_state == LaunchState.LAUNCHED and machine.seen_at is None:
        return ended + timedelta(seconds=timing.visibility_window_seconds)
    return ended


def _find(machine: Machine, instances: list[Instance]) -> Instance | None:
    if machine.instance_id:
        return next((i for i in instances if i.instance_id == machine.instance_id), None)
    return next((i for i in instances if i.name == machine.name), None)


def _note_failure(
    snapshot: CloudSnapshot, error: SlipwayError, *, asked_at: datetime, timing: Timing
) -> CloudSnapshot:
    failing_for = (asked_at - (snapshot.failed_since or asked_at)).total_seconds()
    pause = min(max(timing.poll_seconds, failing_for), FAILED_LIST_PAUSE_LIMIT_SECONDS)
    CloudSnapshot.objects.filter(pk=snapshot.pk).update(
        failed_since=snapshot.failed_since or asked_at,
        error={
            "code": error.code,
            "message": error.message,
            "remedy": error.remedy,
            # Only a cloud's own error may pass by itself; F56 is for those that do not.
            "retryable": isinstance(error, ProviderError) and error.retryable,
        },
        next_list_at=asked_at + timedelta(seconds=pause),
    )
    snapshot.refresh_from_db()
    return snapshot


def _as_rows(
    instances: list[Instance], *, earlier: list[dict[str, Any]], asked_at: datetime
) -> list[dict[str, object]]:
    """Return the list as plain facts; a machine keeps the time of the list that first had it."""
    since = {row["instance_id"]: row.get("seen_since") for row in earlier}
    return [
        {
            "instance_id": instance.instance_id,
            "name": instance.name,
            "status": instance.status,
            "ip": instance.ip,
            "region": instance.region,
            "instance_type": instance.instance_type,
            "description": instance.description,
            "hourly": None if instance.hourly_price_usd is None else str(instance.hourly_price_usd),
            "seen_since": since.get(instance.instance_id) or asked_at.isoformat(),
        }
        for instance in instances
    ]
