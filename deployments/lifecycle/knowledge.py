"""What good lists and the run log say of a machine; a failed or missing look says nothing (I13)."""

from datetime import datetime, timedelta
from decimal import Decimal

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Record
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import LaunchState, Machine
from deployments.timing import Timing

TAKEN_AWAY = frozenset({"preempted", "terminating", "terminated"})


def settle(s: Situation, machine: Machine) -> Record | None:
    """D2: adopt the machine that shows under our name, or know that none was started."""
    if machine.seen_instance_id:
        return Record(
            "adopted",
            f"The launch's answer was lost; the machine is there under its name {machine.name}.",
            machine=machine,
            machine_changes={
                "launch_state": LaunchState.LAUNCHED,
                "instance_id": machine.seen_instance_id,
                "launch_ended_at": machine.launch_ended_at or s.now,
            },
        )
    window_from = launch_unclear_since(machine, timing=s.timing)
    looked_long = (
        machine.absent_until is not None
        and (machine.absent_until - window_from).total_seconds()
        >= s.timing.visibility_window_seconds
    )
    if looked_long and machine.absent_lists >= s.timing.visibility_lists:
        return Record(
            "never_seen",
            f"No machine named {machine.name} appeared in {machine.absent_lists} good lists: "
            "nothing was started.",
            machine=machine,
            machine_changes={"launch_state": LaunchState.NEVER_SEEN, "billed_usd": Decimal(0)},
            data=proof(machine),
        )
    return None


def launch_unclear_since(machine: Machine, *, timing: Timing) -> datetime:
    """Return from when on a list without the machine tells something about its launch."""
    if machine.launch_ended_at is not None:
        return machine.launch_ended_at
    return machine.requested_at + timedelta(seconds=timing.launch_timeout_seconds)


def proven_gone(machine: Machine, *, timing: Timing) -> bool:
    """D3: two good lists far enough apart, and none between them that showed the machine."""
    if machine.absent_since is None or machine.absent_until is None or machine.absent_lists < 2:
        return False
    apart = (machine.absent_until - machine.absent_since).total_seconds()
    return apart >= timing.proof_interval_seconds


def proof(machine: Machine) -> dict[str, object]:
    """Return when the first and the last good list without the machine were asked for (I13)."""
    moments = (machine.absent_since, machine.absent_until)
    return {"listed": [moment.isoformat() for moment in moments if moment]}


def machine_fault(s: Situation, machine: Machine) -> Fault | None:
    """F26 to F30, F43, F48 to F50: what the newest knowledge says against this machine."""
    if machine.fault is not None:
        found: Fault = machine.fault
        return found
    if proven_gone(machine, timing=s.timing):
        return faults.machine_lost(machine.name)
    silent_seconds = s.run.silent_seconds if s.run is not None else 0.0
    if machine.absent_since is None and _is_unusable(s, machine, silent_seconds=silent_seconds):
        return faults.machine_unhealthy(machine.seen_status)
    return _not_what_was_asked_for(machine)


def silence(s: Situation) -> Fault | None:
    """F43: neither the run log nor SSH gave a sign of life although the machine is listed."""
    limit = s.timing.silence_limit_seconds
    return faults.silent(limit / 60) if s.run and s.run.silent_seconds >= limit else None


def _not_what_was_asked_for(machine: Machine) -> Fault | None:
    """F21: another type or region than was agreed to, and maybe another price."""
    asked = (machine.instance_type, machine.region)
    got = (
        machine.seen_instance_type or machine.instance_type,
        machine.seen_region or machine.region,
    )
    if got == asked:
        return None
    return faults.wrong_machine(" in ".join(got), wanted=" in ".join(asked))


def _is_unusable(s: Situation, machine: Machine, *, silent_seconds: float) -> bool:
    """F26, F50: "unhealthy" ends a boot at once, a run only when it has fallen silent as well.

    Two lists of the account far enough apart must say so.
    """
    if machine.seen_status == "unhealthy":
        limit, since = s.timing.unhealthy_limit_seconds, machine.unhealthy_since
        seen_for = (machine.seen_at - since).total_seconds() if since and machine.seen_at else 0.0
        works = machine.agent_started_at is not None
        return not works or (silent_seconds >= limit and seen_for >= limit)
    return machine.seen_status in TAKEN_AWAY


def right_price(s: Situation) -> Record | None:
    """F21: a dearer machine than was asked for is billed as what it is, from its launch on (I8)."""
    machine = s.machine
    if machine is None or not machine.may_live or _not_what_was_asked_for(machine) is None:
        return None
    price = machine.seen_hourly_price
    if price is None or price <= machine.hourly_price:
        return None
    return Record(
        "price",
        f"{machine.name} is a {machine.seen_instance_type} and counts at ${price:.2f} an hour.",
        machine=machine,
        machine_changes={"hourly_price": price},
    )


def boot_looked_seconds(machine: Machine) -> float:
    """Return how long after its launch the cloud was last seen not to have finished booting it.

    A cloud that does not answer, or a control plane that slept, ends no boot (F58).
    """
    looks = [look for look in (machine.seen_at, machine.absent_until) if look is not None]
    since = machine.launch_ended_at or machine.requested_at
    return (max(looks) - since).total_seconds() if looks else 0.0
