"""Booting: the first SSH login, to a machine whose host key is known (F29, F30)."""

from django.conf import settings

from core.time import database_now
from deployments import clouds
from deployments.lifecycle import faults
from deployments.lifecycle.lease import Lease
from deployments.models import Machine
from deployments.providers.base import ProviderError
from deployments.remote import (
    HostKeyMismatchError,
    SshAuthError,
    SshUnreachableError,
    connect,
    fingerprint_of,
    shown_host_key,
)
from deployments.timing import Timing


def log_in(lease: Lease, machine: Machine | None) -> float:
    """Try one login and write down how it went; return when to look again."""
    if machine is None:
        raise ValueError("no machine to log in to")
    timing: Timing = settings.TIMING
    if not machine.host_public_key and not clouds.takes_first_contact(machine.platform):
        return _learn_host_key(lease, machine, timing=timing)
    changes: dict[str, object] = {"login_tried_at": database_now()}
    kind, message, delay = "", "", timing.ssh_retry_seconds
    try:
        with connect(clouds.ssh_target(machine)) as remote:
            answered = remote.run("true", timeout_seconds=15).exit_status == 0
            shown_key = remote.host_key
    except HostKeyMismatchError:
        why = faults.host_key_mismatch(machine.platform)
        changes, kind, message, delay = {"fault": why}, "hostkey", why["message"], 0.0
    except SshAuthError:
        changes["login_refused_since"] = machine.login_refused_since or database_now()
    except SshUnreachableError:
        changes["login_refused_since"] = None
    else:
        if answered:
            changes, kind, delay = {"login_at": database_now()}, "login", 0.0
            message = "Logged in over SSH with the pinned host key."
            if not machine.host_public_key:
                # <CLOUD>_HOST_KEY=first_contact: what it showed first is pinned for its life.
                changes["host_public_key"] = shown_key
                message = "Logged in over SSH; the host key it showed is pinned from now on."
    lease.now = database_now()
    event = lease.event(kind, message, machine=machine) if kind else None
    lease.write(machine=machine, machine_changes=changes, event=event)
    return delay


def _learn_host_key(lease: Lease, machine: Machine, *, timing: Timing) -> float:
    """Pin the key that a machine shows if the cloud itself tells the same one (T7).

    Nothing is said to a machine that shows another; nor to one of which the cloud tells nothing.
    """
    try:
        shown = shown_host_key(*clouds.ssh_address(machine))
    except SshUnreachableError:
        lease.now = database_now()
        lease.write(machine=machine, machine_changes={"login_tried_at": lease.now})
        return timing.ssh_retry_seconds
    try:
        provider = clouds.provider_for(machine.vault_entry)
        told = provider.host_key_fingerprints(machine.instance_id)
    except ProviderError:
        # Not asked, so not known: the limit of the boot ends this (F29).
        return timing.ssh_retry_seconds
    lease.now = database_now()
    if fingerprint_of(shown) in told:
        message = f"The machine's own log confirms its host key {fingerprint_of(shown)}."
        changes: dict[str, object] = {"host_public_key": shown}
    elif told or _log_is_overdue(lease, machine, timing=timing):
        platform = machine.platform
        why = faults.host_key_mismatch(platform) if told else faults.host_key_untold(platform)
        message, changes = why["message"], {"fault": why}
    else:
        return timing.ssh_retry_seconds
    event = lease.event("hostkey", message, machine=machine)
    lease.write(machine=machine, machine_changes=changes, event=event)
    return 0.0


def _log_is_overdue(lease: Lease, machine: Machine, *, timing: Timing) -> bool:
    since = machine.active_at or lease.now
    return (lease.now - since).total_seconds() >= timing.host_key_told_seconds
