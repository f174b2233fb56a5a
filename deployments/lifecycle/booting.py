"""Booting: the first SSH login, with the host key we gave the machine pinned (F29, F30)."""

from django.conf import settings

from core.time import database_now
from deployments import clouds
from deployments.lifecycle import faults
from deployments.lifecycle.lease import Lease
from deployments.models import Machine
from deployments.remote import (
    HostKeyMismatchError,
    SshAuthError,
    SshUnreachableError,
    connect,
)
from deployments.timing import Timing


def log_in(lease: Lease, machine: Machine | None) -> float:
    """Try one login and write down how it went; return when to look again."""
    if machine is None:
        raise ValueError("no machine to log in to")
    timing: Timing = settings.TIMING
    changes: dict[str, object] = {}
    kind, message, delay = "", "", timing.ssh_retry_seconds
    try:
        with connect(clouds.ssh_target(machine)) as remote:
            answered = remote.run("true", timeout_seconds=15).exit_status == 0
            shown_key = remote.host_key
    except HostKeyMismatchError:
        why = faults.host_key_mismatch()
        changes, kind, message, delay = {"fault": why}, "hostkey", why["message"], 0.0
    except SshAuthError:
        changes = {"login_refused_since": machine.login_refused_since or database_now()}
    except SshUnreachableError:
        changes = {"login_refused_since": None}
    else:
        if answered:
            changes, kind, delay = {"login_at": database_now()}, "login", 0.0
            message = "Logged in over SSH with the pinned host key."
            if not machine.host_public_key:
                # LAMBDA_HOST_KEY=first_contact: what it showed first is pinned for its life.
                changes["host_public_key"] = shown_key
                message = "Logged in over SSH; the host key it showed is pinned from now on."
    lease.now = database_now()
    event = lease.event(kind, message, machine=machine) if kind else None
    lease.write(machine=machine, machine_changes=changes, event=event)
    return delay
