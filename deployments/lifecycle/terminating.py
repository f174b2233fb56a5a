"""Terminating: ask the cloud to end a machine, for ever (D3, R4)."""

from datetime import timedelta

from django.conf import settings

from core.time import database_now
from deployments import clouds
from deployments.lifecycle.lease import Lease
from deployments.models import CloudSnapshot, Machine
from deployments.providers.base import ProviderError
from deployments.timing import Timing


def terminate(lease: Lease, machine: Machine | None) -> float:
    """Ask once; return when to look again. An answer is not proof: only two lists are.

    After "ok" the request is repeated each minute while the machine shows (F65); after a failure
    from 5 s up to 5 min apart (F64).
    """
    if machine is None:
        raise ValueError("nothing to terminate")
    timing: Timing = settings.TIMING
    tries = machine.terminate_tries + 1
    _write_intent(lease, machine, tries=tries, timing=timing)
    try:
        clouds.provider_for(machine.vault_entry).terminate(machine.instance_id)
    except ProviderError as error:
        lease.now = database_now()
        message = f"The cloud did not take the request to end {machine.name}: {error.message}"
        lease.write(
            machine=machine,
            machine_changes={"terminate_error": told(error)},
            event=lease.event("terminate_failed", message, machine=machine),
        )
        return min(timing.terminate_retry_seconds, timing.poll_seconds)
    lease.now = database_now()
    again = lease.now + timedelta(seconds=timing.terminate_repeat_seconds)
    lease.write(
        machine=machine,
        machine_changes={
            "next_terminate_at": again,
            "terminate_error": None,
            "terminate_accepted_at": machine.terminate_accepted_at or lease.now,
        },
        event=lease.event("terminate_accepted", "The cloud accepted.", machine=machine)
        if machine.terminate_accepted_at is None
        else None,
    )
    CloudSnapshot.objects.filter(vault_entry=machine.vault_entry).update(next_list_at=lease.now)
    return timing.poll_seconds


def told(error: ProviderError) -> dict[str, object]:
    """Return the error as it is kept in a row."""
    return {
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
        "retryable": error.retryable,
    }


def _write_intent(lease: Lease, machine: Machine, *, tries: int, timing: Timing) -> None:
    wait = min(
        timing.terminate_retry_seconds * 2 ** min(tries - 1, 10),
        timing.terminate_retry_limit_seconds,
    )
    first = machine.terminate_requested_at is None
    own = clouds.capabilities(machine.platform).is_own
    told = f"{machine.instance_type} to let go of" if own else "the cloud to end"
    lease.write(
        machine=machine,
        machine_changes={
            "terminate_tries": tries,
            "terminate_requested_at": machine.terminate_requested_at or lease.now,
            "next_terminate_at": lease.now + timedelta(seconds=wait),
        },
        event=lease.event("terminate_requested", f"Asking {told} {machine.name}.", machine=machine)
        if first
        else None,
    )
