"""Attention: what a person must see, set while the rows say so and gone when they no longer do."""

from collections.abc import Mapping
from typing import Any

from deployments import clouds
from deployments.lifecycle import faults
from deployments.lifecycle.actions import Record
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import Machine

# Set and cleared by the tick itself (F10), not by what the rows say.
FAILED_TICKS = "failed_ticks"


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
        return _out_of_reach(s.cloud_error, living[-1])
    for machine in living:
        asked = machine.terminate_requested_at or machine.end_wanted_at
        if asked is not None and s.age(asked) >= s.timing.terminate_alarm_seconds:
            return faults.not_proven_gone(machine.name, region=machine.region)
    return faults.strays() if s.stray_bills else None


def _out_of_reach(error: Mapping[str, Any], machine: Machine) -> Fault:
    """F56: our key no longer reaches the account, so only a person can end the machine."""
    return faults.out_of_reach(
        str(error.get("code")),
        str(error.get("message")),
        machine=f"{machine.instance_id or machine.name} in {machine.region}",
        console_url=clouds.capabilities(machine.platform).console_url,
    )
