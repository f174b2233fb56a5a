"""What good lists and the run log say of a machine; a failed or missing look says nothing (I13)."""

from datetime import datetime, timedelta
from decimal import Decimal

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Record
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import LaunchState, Machine
from deployments.timing import Timing

UNUSABLE = frozenset({"unhealthy", "preempted", "terminating", "terminated"})


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


def machine_fault(s: Situation, machine: Machine) -> Fault | None:
    """F26 to F30, F43, F49, F50: what the newest knowledge says against this machine."""
    if machine.fault is not None:
        found: Fault = machine.fault
        return found
    if proven_gone(machine, timing=s.timing):
        return faults.machine_lost(machine.name)
    if machine.seen_status in UNUSABLE and machine.absent_since is None:
        return faults.machine_unhealthy(machine.seen_status)
    if s.run is not None and s.run.silent_seconds >= s.timing.silence_limit_seconds:
        return faults.silent(s.timing.silence_limit_seconds / 60)
    return None
