"""Launching: the best allowed offer, intent first, then one call (D1)."""

import time
from datetime import timedelta
from decimal import Decimal

from django.conf import settings

from core.database import retried
from core.errors import SlipwayError
from core.installation import installation_id
from core.time import database_now
from deployments import clouds, costs, spending, strays
from deployments.lifecycle import faults, market
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.lease import Lease
from deployments.models import CloudSnapshot, Deployment, Machine
from deployments.models.deployments import LaunchState, Status
from deployments.providers.base import (
    Launched,
    LaunchRequest,
    LaunchResult,
    Offer,
    ProviderError,
    Refused,
)
from deployments.remote import KeyPair, generate_key_pair
from deployments.timing import Timing
from secrets_vault.models import VaultEntry

# A task has 50 s: 30 for the launch call, 8 for its turn, these for what is asked before.
ASK_SECONDS = 12.0


def launch(lease: Lease, machine: Machine | None) -> float:
    """Rent the best allowed offer not yet refused in this round; return when to look again.

    The intent is committed before the call, so that a crash anywhere leaves a name to settle by.
    """
    timing: Timing = settings.TIMING
    started = time.monotonic()
    d = lease.deployment
    try:
        allowed = market.allowed(d, market.live_offers(d))
    except ProviderError as error:
        return _could_not_ask(lease, error)
    if not allowed:
        _wait_for_capacity(lease)
        return 0.0
    offer = next((each for each in allowed if _budget_allows(lease, each, timing=timing)), None)
    if offer is None:
        _give_up(lease, faults.over_budget(str(d.budget_limit)))
        return 0.0
    entry = market.key_for(d, offer)
    provider = clouds.provider_for(entry)
    login_key = clouds.login_key().public_key
    try:
        ssh_key_name = provider.ensure_ssh_key(login_key)
    except ProviderError as error:
        market.note_silent(entry)
        if len(d.platforms) > 1:
            # The next tick goes to the other cloud.
            raise
        return _could_not_ask(lease, error)
    if time.monotonic() - started > ASK_SECONDS:
        # Too little of this task's time is left for a launch call: start over.
        return 0.0
    host_key = generate_key_pair("slipway-machine")
    lease.renew(purpose="launch", seconds=timing.lease_seconds)
    known_by = clouds.host_key_for(provider, offer.platform, host_key)
    intent = _intend(lease, offer, entry, host_key=known_by)
    # Looked at only now: whoever turns the switch later finds the intent, and ends what it brings.
    # Asked again while the database is away: an intent without a call costs minutes (D2, F76).
    blocked = retried(lambda: spending.blocked(spending.limits()))
    if blocked is not None:
        _withdraw(lease, intent, blocked)
        return 0.0
    request = _request(intent, d, ssh_key_name, login_key=login_key, host_key=host_key)
    # F55: the key may have been replaced meanwhile; nothing is launched with one we dropped.
    entry = retried(lambda: VaultEntry.objects.get(pk=intent.vault_entry_id))
    provider = retried(lambda: clouds.provider_for(entry))
    _save(lease, intent, provider.launch(request))
    CloudSnapshot.objects.update_or_create(
        vault_entry=entry, defaults={"next_list_at": database_now()}
    )
    return 0.0


def _request(
    intent: Machine, d: Deployment, ssh_key_name: str, *, login_key: str, host_key: KeyPair
) -> LaunchRequest:
    return LaunchRequest(
        name=intent.name,
        instance_type=intent.instance_type,
        region=intent.region,
        ssh_key_name=ssh_key_name,
        host_private_key=host_key.private_key,
        host_public_key=host_key.public_key,
        login_public_key=login_key,
        authorized_keys=clouds.users_own_key(d),
    )


def _could_not_ask(lease: Lease, error: ProviderError) -> float:
    """F11, F58: a refused key ends it; a cloud that does not answer is asked at the next tick.

    How long that goes on is decided where all limits are.
    """
    if error.retryable:
        raise error
    _give_up(
        lease,
        faults.fault(error.code, f"{error.message} Nothing was started.", remedy=error.remedy),
    )
    return 0.0


def _wait_for_capacity(lease: Lease) -> None:
    message = "No allowed machine is free now."
    to = Status.WAITING_FOR_CAPACITY
    lease.write(event=lease.event("no_capacity", message, to=to), to=to)


def _budget_allows(lease: Lease, offer: Offer, *, timing: Timing) -> bool:
    spent = lease.deployment.accrued_usd(lease.now)
    quantum_seconds = clouds.capabilities(offer.platform).billing_quantum_seconds
    needed = costs.reserve(
        offer.hourly_price_usd, timing=timing, quantum_seconds=quantum_seconds
    ) + costs.rent(offer.hourly_price_usd, seconds=1, quantum_seconds=quantum_seconds)
    return spent + needed < lease.deployment.budget_limit


def _give_up(lease: Lease, why: Fault) -> None:
    to = Status.TERMINATING
    lease.write(
        deployment={"outcome": Status.FAILED, "error": why},
        event=lease.event("ending", why["message"], to=to),
        to=to,
    )


def machine_name(lease: Lease, *, attempt: int, node: int) -> str:
    """Return the name that is the launch's idempotency key (D1): at most 57 characters."""
    epoch = int(lease.now.timestamp())
    return f"{installation_id()}-{lease.deployment.pk.hex[:8]}-a{attempt}-n{node}-t{epoch}"


def _intend(lease: Lease, offer: Offer, entry: VaultEntry, *, host_key: str) -> Machine:
    d = lease.deployment
    newest = d.machines.order_by("-attempt").first()
    attempt = newest.attempt + 1 if newest else 1
    capabilities = clouds.capabilities(offer.platform)
    machine = Machine(
        deployment=d,
        vault_entry=entry,
        attempt=attempt,
        name=machine_name(lease, attempt=attempt, node=0),
        platform=offer.platform,
        instance_type=offer.instance_type,
        region=offer.region,
        region_description=offer.region_description[:200],
        description=offer.description,
        gpu_count=offer.gpu_count,
        vram_gib=offer.vram_gib,
        architecture=offer.architecture,
        hourly_price=offer.hourly_price_usd,
        billing_quantum_seconds=capabilities.billing_quantum_seconds,
        host_public_key=host_key,
        requested_at=lease.now,
    )
    price = offer.hourly_price_usd.quantize(Decimal("0.01"))
    event = lease.event(
        "launch_requested",
        f"Asking {capabilities.label} for {offer.description} in {offer.region} at ${price} an "
        "hour.",
        data={"name": machine.name},
    )
    lease.write(create=machine, event=event)
    return machine


def _withdraw(lease: Lease, machine: Machine, why: SlipwayError) -> None:
    """Settle an intent whose call is never made (T20)."""
    _set_answered(lease, machine)
    lease.write(
        machine=machine,
        machine_changes={
            "launch_state": LaunchState.REFUSED,
            "billed_usd": Decimal(0),
            "refusal": _refusal("blocked", why),
            "launch_ended_at": lease.now,
        },
        event=lease.event("refused", why.message, machine=machine),
    )


def _set_answered(lease: Lease, machine: Machine) -> None:
    """Read the clock again; a launch never ends at the moment that it was asked for."""
    lease.now = max(database_now(), machine.requested_at + timedelta(microseconds=1))


def _save(lease: Lease, machine: Machine, result: LaunchResult) -> None:
    _set_answered(lease, machine)
    if isinstance(result, Launched):
        kind, message = "launched", "The cloud accepted the launch."
        changes = _accepted(result)
    elif isinstance(result, Refused):
        kind, message = "refused", result.error.message
        changes = _turned_down(result)
    else:
        kind, message = "unclear", f"Confirming with the cloud: {result.detail}"
        changes = {"launch_state": LaunchState.UNKNOWN}
    changes["launch_ended_at"] = lease.now

    def write_all() -> None:
        lease.write(
            machine=machine,
            machine_changes=changes,
            event=lease.event(kind, message, machine=machine),
        )
        if isinstance(result, Launched):
            _note_strays(lease, machine, result.extra_instance_ids)

    retried(write_all)


def _accepted(result: Launched) -> dict[str, object]:
    return {
        "launch_state": LaunchState.LAUNCHED,
        "instance_id": result.instance_id,
        # Lists from while the call was under way say nothing of what it started.
        "absent_since": None,
        "absent_until": None,
        "absent_lists": 0,
    }


def _turned_down(result: Refused) -> dict[str, object]:
    error = result.error
    return {
        "launch_state": LaunchState.REFUSED,
        "billed_usd": Decimal(0),
        "refusal": {
            **_refusal(result.reason, error),
            "retry_after_seconds": result.retry_after_seconds,
            "retryable": error.retryable,
        },
    }


def _refusal(reason: str, error: SlipwayError) -> dict[str, object]:
    return {
        "reason": reason,
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
    }


def _note_strays(lease: Lease, machine: Machine, instance_ids: tuple[str, ...]) -> None:
    """F21: what was started beyond the one we asked for is ended by the sweep, at once."""
    for instance_id in instance_ids:
        strays.note(
            machine.vault_entry,
            instance_id=instance_id,
            name=machine.name,
            machine=machine,
            now=lease.now,
        )
