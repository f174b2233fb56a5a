"""Attention: what a person must see, set while the rows say so and gone when they no longer do."""

from collections.abc import Mapping
from typing import Any, Protocol

from deployments import clouds
from deployments.lifecycle import faults
from deployments.lifecycle.actions import Record
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.situation import Situation
from deployments.lifecycle.stalling import is_stalled, stalled
from deployments.models.deployments import Machine

# Set and cleared by the tick itself (F10), not by what the rows say.
FAILED_TICKS = "failed_ticks"


class Words(Protocol):
    """What says that only a person can end a machine."""

    def __call__(self, code: str, message: str, *, machine: str, console_url: str) -> Fault: ...


def attention(s: Situation) -> Record | None:
    """Return the change of ``attention`` that is due, if any."""
    shown = s.deployment.attention
    alarm = _alarm(s)
    if alarm == shown or (alarm is None and (shown or {}).get("kind") == FAILED_TICKS):
        return None
    if alarm is None:
        return Record(
            "attention_over", "What asked for attention is settled.", deployment={"attention": None}
        )
    return Record("attention", alarm["message"], deployment={"attention": alarm})


def _alarm(s: Situation) -> Fault | None:
    living = [machine for machine in s.machines if machine.may_live]
    if living and s.cloud_error is not None and not s.cloud_error.get("retryable", True):
        return _by_hand(faults.out_of_reach, s.cloud_error, living[-1])
    for machine in living:
        alarm = _does_not_end(s, machine)
        if alarm is not None:
            return alarm
    if s.stray_bills:
        return faults.strays()
    if is_stalled(s):
        return stalled(s)
    return next(filter(None, map(_unhealthy_or_dearer, living)), None)


def _does_not_end(s: Situation, machine: Machine) -> Fault | None:
    """F64, F65, F67: a key that is refused alarms at once, the rest when it takes too long."""
    error = machine.terminate_error
    if error is not None and not error.get("retryable", True):
        return _by_hand(faults.cannot_end, error, machine)
    asked = machine.terminate_requested_at or machine.end_wanted_at
    if asked is None:
        return None
    ending = machine.seen_status == "terminating" and machine.absent_since is None
    limit = s.timing.terminating_alarm_seconds if ending else s.timing.terminate_alarm_seconds
    if s.age(asked) < limit:
        return None
    if ending:
        return faults.stuck_ending(machine.name, minutes=limit / 60)
    if _is_own(machine):
        told = f"{machine.instance_type} was asked to let go of {machine.name} and has not."
        return faults.own_machine_away("E_CANNOT_END", told, machine=machine.name)
    return faults.not_proven_gone(machine.name, region=machine.region)


def _unhealthy_or_dearer(machine: Machine) -> Fault | None:
    """F50, F72: what is told while the run goes on, and while what we count is frozen."""
    if machine.seen_status == "unhealthy" and machine.agent_started_at is not None:
        return faults.unhealthy_but_works(machine.name)
    price = machine.seen_hourly_price
    if price is None or price == machine.hourly_price:
        return None
    return faults.price_changed(f"{price:.2f}", frozen=f"{machine.hourly_price:.2f}")


def _by_hand(words: Words, error: Mapping[str, Any], machine: Machine) -> Fault:
    """F56: our key no longer reaches the account, so only a person can end the machine."""
    code, message = str(error.get("code")), str(error.get("message"))
    if _is_own(machine):
        return faults.own_machine_away(code, message, machine=machine.name)
    return words(
        code,
        message,
        machine=f"{machine.instance_id or machine.name} in {machine.region}",
        console_url=clouds.capabilities(machine.platform).console_url,
    )


def _is_own(machine: Machine) -> bool:
    return clouds.capabilities(machine.platform).is_own
