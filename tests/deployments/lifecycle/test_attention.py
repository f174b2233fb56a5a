"""What a person must see: alarms, prices, the budget (F53, F56, F64, F67, F72)."""

from decimal import Decimal

import pytest

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Effect, Record
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from tests.deployments.lifecycle.situations import (
    NOW,
    PRICE,
    a_deployment,
    a_run,
    a_stray,
    absent,
    ago,
    decided,
    gone,
    performs,
    recorded,
    working,
)

S = Status
REFUSED = {"code": "E_AUTH", "message": "Lambda refuses the key.", "retryable": False}
FAILED = {"code": "E_PROVIDER_UNREACHABLE", "message": "502", "retryable": True}


def ending(**fields: object) -> Machine:
    """Return a machine that was asked to end half a minute ago."""
    values: dict[str, object] = {
        "instance_id": "i-42",
        "end_wanted_at": ago(32),
        "terminate_requested_at": ago(30),
        "next_terminate_at": NOW,
    }
    return working(**(values | fields))


def terminating(**fields: object) -> Deployment:
    return a_deployment(S.TERMINATING, **({"outcome": S.FAILED} | fields))


def attention_of(action: Record) -> dict[str, str]:
    attention = action.deployment["attention"]
    assert isinstance(attention, dict)
    return attention


# Machines that do not end.


def test_F64_F56_a_refused_request_to_end_alarms_at_once_and_says_what_to_end_by_hand() -> None:
    told = attention_of(recorded(terminating(), ending(terminate_error=REFUSED)))

    assert told["code"] == "E_AUTH"
    assert "We cannot stop this machine" in told["message"]
    assert "i-42 in us-east-1" in told["remedy"]
    assert "https://" in told["remedy"]


def test_F64_a_failed_request_alarms_only_after_ten_minutes() -> None:
    assert performs(decided(terminating(), ending(terminate_error=FAILED)), Effect.TERMINATE)

    late = ending(terminate_error=FAILED, terminate_requested_at=ago(600))
    assert attention_of(recorded(terminating(), late))["code"] == "E_CANNOT_END"


@pytest.mark.parametrize(("seconds", "alarms"), [(899, False), (900, True)])
def test_F67_a_machine_shown_as_ending_alarms_after_fifteen_minutes(
    seconds: float, alarms: bool
) -> None:
    stuck = ending(seen_status="terminating", terminate_requested_at=ago(seconds))

    action = decided(terminating(), stuck)

    assert (isinstance(action, Record) and action.kind == "attention") is alarms


def test_F67_what_is_no_longer_listed_is_not_stuck_in_ending() -> None:
    away = absent(ending(seen_status="terminating"), since=20, until=5, lists=2)
    away.terminate_requested_at = ago(900)

    assert "does not show that it is" in attention_of(recorded(terminating(), away))["message"]


# The price, and what the cloud started.


def test_F72_a_changed_price_is_told_while_the_machine_lives() -> None:
    machine = working(seen_hourly_price=Decimal("1.50"))

    told = attention_of(recorded(S.TRAINING, machine, run=a_run()))

    assert told["code"] == "E_PRICE_CHANGED"
    assert "$1.50" in told["message"]
    assert "$1.20" in told["message"]


@pytest.mark.parametrize("price", [None, PRICE])
def test_F72_the_price_it_was_rented_at_is_no_news(price: Decimal | None) -> None:
    action = decided(S.TRAINING, working(seen_hourly_price=price), run=a_run())

    assert performs(action, Effect.FOLLOW)


def test_F72_a_machine_that_is_gone_has_no_price_any_more() -> None:
    machine = gone(working(seen_hourly_price=Decimal("1.50")))

    assert recorded(terminating(), machine).to == S.FAILED


def test_F21_another_type_counts_at_its_own_price_and_is_replaced() -> None:
    machine = working(seen_instance_type="gpu_8x_h100", seen_hourly_price=Decimal("23.92"))

    price = recorded(S.TRAINING, machine, run=a_run())
    machine.hourly_price = Decimal("23.92")
    action = recorded(a_deployment(S.TRAINING, budget_limit=Decimal(99)), machine, run=a_run())

    assert price.machine_changes == {"hourly_price": Decimal("23.92")}
    assert action.to == S.RECOVERING
    assert "gpu_8x_h100 in us-east-1" in str(action.machine_changes["fault"])


def test_F21_another_region_is_replaced_too() -> None:
    action = recorded(S.TRAINING, working(seen_region="asia-south-1"), run=a_run())

    assert "E_WRONG_MACHINE" in str(action.machine_changes["fault"])


def test_F27_what_a_booting_machine_does_not_tell_is_not_held_against_it() -> None:
    machine = working(seen_instance_type="", seen_region="", seen_hourly_price=None)

    assert performs(decided(S.TRAINING, machine, run=a_run()), Effect.FOLLOW)


# The budget.


def test_F53_F21_a_stray_uses_the_budget_up_as_well() -> None:
    stray = a_stray(hourly_price=Decimal(96))

    action = recorded(S.TRAINING, working(), run=a_run(), strays=(stray,))

    assert action.kind == "attention"
    deployment = a_deployment(S.TRAINING, attention=dict(faults.strays()))
    action = recorded(deployment, working(), run=a_run(), strays=(stray,))
    assert action.deployment == {"budget_warned": 80}
