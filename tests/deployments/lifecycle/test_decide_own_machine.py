"""A machine that its user already has, when it does not answer: nobody ends it, nobody bills it."""

from decimal import Decimal

import pytest

from deployments.lifecycle.actions import Action, Effect, Record
from deployments.models import Machine
from deployments.models.deployments import Status
from tests.deployments.lifecycle.situations import (
    NOW,
    TIMING,
    a_deployment,
    ago,
    decided,
    performs,
    recorded,
    working,
)

DAY = TIMING.own_machine_away_seconds
OFF = {"code": "E_PROVIDER_UNREACHABLE", "message": "It does not answer.", "retryable": True}
ANOTHER = {"code": "E_HOSTKEY", "message": "It shows another key.", "retryable": False}


def own(**fields: object) -> Machine:
    """Return an own machine that was asked to let go two days ago, and is away since."""
    values: dict[str, object] = {
        "platform": "ssh",
        "instance_type": "gpu-box",
        "region": "own",
        "instance_id": "slwtst-0a1b2c3d-a1-n0-t1",
        "hourly_price": Decimal(0),
        "requested_at": ago(3 * DAY),
        "seen_at": ago(2 * DAY),
        "end_wanted_at": ago(2 * DAY),
        "terminate_requested_at": ago(2 * DAY),
        "next_terminate_at": NOW,
        "terminate_error": OFF,
    }
    return working(**(values | fields))


def after_its_alarm(machine: Machine) -> Action:
    """Return what is decided once the run has asked for attention, if it does."""
    ending = a_deployment(Status.TERMINATING, outcome=Status.FAILED)
    action = decided(ending, machine)
    if not isinstance(action, Record) or action.kind != "attention":
        return action
    ending.attention = action.deployment["attention"]
    return decided(ending, machine)


@pytest.mark.parametrize("error", [OFF, ANOTHER])
def test_F56_the_alarm_says_that_it_is_ones_own_and_what_to_do(error: dict[str, object]) -> None:
    ending = a_deployment(Status.TERMINATING, outcome=Status.FAILED)
    recent = own(terminate_requested_at=ago(700), seen_at=ago(700), end_wanted_at=ago(700))
    recent.terminate_error = error

    attention = recorded(ending, recent).deployment["attention"]

    assert isinstance(attention, dict)
    assert "never switch it off" in attention["message"]
    assert "bills" not in attention["message"]
    assert "Switch it on" in attention["remedy"]


def test_a_run_ends_without_a_machine_that_stays_away_for_a_day_and_counts_to_its_end() -> None:
    action = after_its_alarm(own(hourly_price=Decimal("0.10")))

    assert isinstance(action, Record)
    assert action.kind == "left_behind"
    assert "gpu-box has not answered for 24 hours" in action.message
    # From the third day before now to the second.
    assert action.machine_changes == {"gone_at": NOW, "billed_usd": Decimal("2.4000")}


@pytest.mark.parametrize(
    "answers",
    [
        {"seen_at": ago(60)},
        {"end_wanted_at": ago(60)},
        {"terminate_error": None},
        {"platform": "lambda"},
    ],
)
def test_it_is_asked_again_for_as_long_as_it_may_answer(answers: dict[str, object]) -> None:
    assert performs(after_its_alarm(own(**answers)), Effect.TERMINATE)
