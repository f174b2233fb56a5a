"""Situations for the decision, from unsaved rows: a test spells out only what it is about."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from deployments.lifecycle.actions import Action, Do, Effect, Record, Rest
from deployments.lifecycle.decide import decide
from deployments.lifecycle.situation import Situation
from deployments.models import Deployment, Machine, RunState, Stray
from deployments.models.deployments import LaunchState, Status
from deployments.timing import Timing
from tests.builders import NOON

TIMING = Timing()
NOW = NOON + timedelta(hours=1)
PRICE = Decimal("1.20")


def ago(seconds: float) -> datetime:
    """Return the moment that many seconds before NOW."""
    return NOW - timedelta(seconds=seconds)


def a_deployment(status: Status, **fields: Any) -> Deployment:
    """Return a deployment wanted to run, with a budget of 10 USD, in this status for 5 s."""
    values: dict[str, Any] = {
        "name": "sums",
        "platform": "lambda",
        "status": status,
        "status_since": ago(5),
        "budget_limit": Decimal("10.00"),
        "max_hourly_price": PRICE,
        "max_hours": Decimal(24),
        "max_attempts": 2,
        "config": {"instance_type": "gpu_1x_a10", "region": "us-east-1"},
        "round_started_at": ago(400),
        "capacity_deadline": NOW + timedelta(minutes=20),
        "created_at": ago(400),
    }
    return Deployment(**(values | fields))


def a_machine(**fields: Any) -> Machine:
    """Return a machine launched 300 s ago at 1.20 USD an hour, listed as active just now."""
    values: dict[str, Any] = {
        "attempt": 1,
        "name": "slwtst-0a1b2c3d-a1-n0-t1",
        "platform": "lambda",
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "description": "1x A10 (24 GB)",
        "hourly_price": PRICE,
        "launch_state": LaunchState.LAUNCHED,
        "instance_id": uuid.uuid4().hex,
        "requested_at": ago(300),
        "launch_ended_at": ago(298),
        "seen_status": "active",
        "seen_ip": "127.1.2.3",
        "seen_at": ago(3),
    }
    return Machine(**(values | fields))


def logged_in(**fields: Any) -> Machine:
    """Return a machine that let us in 100 s ago."""
    return a_machine(**({"active_at": ago(200), "login_at": ago(100)} | fields))


def working(**fields: Any) -> Machine:
    """Return a machine whose agent was started 60 s ago."""
    return logged_in(**({"agent_started_at": ago(60)} | fields))


def unclear(**fields: Any) -> Machine:
    """Return a machine whose launch was called and never answered."""
    values = {
        "launch_state": LaunchState.UNKNOWN,
        "instance_id": "",
        "seen_status": "",
        "seen_ip": None,
        "seen_at": None,
    }
    return a_machine(**(values | fields))


def refused(reason: str, **fields: Any) -> Machine:
    """Return a machine that the cloud did not start, for this reason, 100 s ago."""
    refusal = {
        "reason": reason,
        "code": f"E_{reason.upper()}",
        "message": f"No: {reason}.",
        "remedy": "Do something.",
        "retry_after_seconds": fields.pop("retry_after_seconds", None),
        "retryable": fields.pop("retryable", True),
    }
    values = {
        "launch_state": LaunchState.REFUSED,
        "refusal": refusal,
        "billed_usd": Decimal(0),
        "launch_ended_at": ago(100),
    }
    return unclear(**(values | fields))


def absent(machine: Machine, *, since: float, until: float, lists: int) -> Machine:
    """Let the last good lists miss the machine, from ``since`` to ``until`` seconds ago."""
    machine.absent_since, machine.absent_until = ago(since), ago(until)
    machine.absent_lists = lists
    return machine


def gone(machine: Machine, *, billed: str = "0.10") -> Machine:
    """Let the machine be proven gone, with its bill."""
    absent(machine, since=60, until=20, lists=3)
    machine.end_wanted_at, machine.gone_at = ago(80), ago(20)
    machine.billed_usd = Decimal(billed)
    return machine


def a_run(**fields: Any) -> RunState:
    """Return what a run log has told: it was read 12 s ago and has training under way."""
    values: dict[str, Any] = {"phase": "train", "looked_at": ago(12), "accepted_through": 40}
    return RunState(**(values | fields))


def ended(outcome: str = "completed", *, has_adapter: bool = True, **fields: Any) -> RunState:
    """Return a run log with its last event."""
    exit_ = {"outcome": outcome, "exit_code": 0, "has_adapter": has_adapter, "error_code": ""}
    return a_run(**({"phase": "finished", "exit": exit_} | fields))


def a_stray(**fields: Any) -> Stray:
    """Return a second machine under a name of ours, rented 300 s ago at 1.20 USD an hour."""
    values: dict[str, Any] = {
        "instance_id": uuid.uuid4().hex,
        "name": "slwtst-0a1b2c3d-a1-n0-t1",
        "bills_from": ago(300),
        "hourly_price": PRICE,
    }
    return Stray(**(values | fields))


def situation(
    status: Status | Deployment, *machines: Machine, run: RunState | None = None, **fields: Any
) -> Situation:
    """Return a situation in that status, or of that deployment."""
    deployment = status if isinstance(status, Deployment) else a_deployment(status)
    values: dict[str, Any] = {"adapter_home": False, "now": NOW, "timing": TIMING}
    return Situation(deployment=deployment, machines=machines, run=run, **(values | fields))


def decided(
    status: Status | Deployment, *machines: Machine, run: RunState | None = None, **fields: Any
) -> Action:
    """Return what is decided in that situation."""
    return decide(situation(status, *machines, run=run, **fields))


def recorded(
    status: Status | Deployment, *machines: Machine, run: RunState | None = None, **fields: Any
) -> Record:
    """Return the record that is decided on; fails when it is no record."""
    action = decided(status, *machines, run=run, **fields)
    assert isinstance(action, Record), action
    return action


def performs(action: Action, effect: Effect) -> bool:
    """Say whether the action is this effect."""
    return isinstance(action, Do) and action.effect is effect


def rests(action: Action) -> float | None:
    """Return how long the action rests; fails when it does anything."""
    assert isinstance(action, Rest), action
    return action.seconds


def recovers_for(action: Record, code: str) -> bool:
    """Say whether the action ends a bad machine for this reason, to try another one."""
    fault = action.machine_changes.get("fault")
    return action.to == Status.RECOVERING and isinstance(fault, dict) and fault["code"] == code


def fails_for(action: Record, code: str) -> bool:
    """Say whether the action leads to a failure of this reason."""
    error = action.deployment.get("error")
    failed = action.to == Status.TERMINATING and action.deployment["outcome"] == Status.FAILED
    return failed and isinstance(error, dict) and error["code"] == code


def error_of(action: Record) -> str | None:
    """Return the code of the error an action writes."""
    error = action.deployment["error"]
    assert error is None or isinstance(error, dict)
    return error["code"] if error else None


def collecting(**fields: Any) -> Any:
    return a_deployment(Status.COLLECTING, **({"landing": "finished"} | fields))
