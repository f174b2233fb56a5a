"""Recovering and terminating: machines are ended for ever and proven gone; alarms come and go."""

from decimal import Decimal

import pytest

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Effect, Rest
from deployments.lifecycle.decide import decide
from deployments.lifecycle.edges import EDGES
from deployments.models import Deployment, Machine
from deployments.models.deployments import TERMINAL, LaunchState, Status
from tests.deployments.lifecycle.situations import (
    NOW,
    TIMING,
    a_deployment,
    a_machine,
    a_stray,
    absent,
    ago,
    decided,
    gone,
    logged_in,
    performs,
    recorded,
    refused,
    rests,
    situation,
    unclear,
    working,
)

S = Status
ENDING = (S.TERMINATING, S.RECOVERING)


def unwanted(**fields: object) -> Machine:
    """Return a machine that was asked to end 30 s ago; the cloud took the request."""
    values: dict[str, object] = {
        "end_wanted_at": ago(32),
        "terminate_requested_at": ago(30),
        "terminate_accepted_at": ago(29),
        "next_terminate_at": ago(-30),
    }
    return working(**(values | fields))


def terminating(**fields: object) -> Deployment:
    values: dict[str, object] = {"outcome": S.COMPLETED}
    return a_deployment(S.TERMINATING, **(values | fields))


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_I4_what_is_over_is_never_looked_at_again(status: Status) -> None:
    assert decided(status) == Rest(None)
    assert EDGES[status] == frozenset()


@pytest.mark.parametrize("status", ENDING)
def test_the_end_of_a_machine_is_wanted_first(status: Status) -> None:
    machine = working()

    assert recorded(status, machine).machine_changes == {"end_wanted_at": NOW}


@pytest.mark.parametrize("status", ENDING)
def test_D3_an_unwanted_machine_is_asked_to_end(status: Status) -> None:
    assert performs(decided(status, working(end_wanted_at=ago(1))), Effect.TERMINATE)


def test_F64_F65_the_request_is_repeated_when_it_is_due() -> None:
    assert rests(decided(S.TERMINATING, unwanted(next_terminate_at=ago(-4)))) == 4
    assert rests(decided(S.TERMINATING, unwanted())) == TIMING.poll_seconds
    assert performs(decided(S.TERMINATING, unwanted(next_terminate_at=NOW)), Effect.TERMINATE)


@pytest.mark.parametrize("tries", [1, 200, 100_000])
def test_D3_there_is_no_last_try(tries: int) -> None:
    machine = unwanted(
        terminate_tries=tries, terminate_requested_at=ago(9 * 86400), next_terminate_at=NOW
    )
    alarm = faults.not_proven_gone(machine.name, region=machine.region)

    action = decided(terminating(attention=dict(alarm)), machine)

    assert performs(action, Effect.TERMINATE)


@pytest.mark.parametrize(("since", "until", "lists"), [(29, 0, 9), (31, 31, 1), (40, 1, 1)])
def test_F66_no_answer_and_no_single_list_is_proof(since: int, until: int, lists: int) -> None:
    machine = absent(unwanted(), since=since, until=until, lists=lists)

    assert rests(decided(S.TERMINATING, machine))


def test_D3_two_good_lists_half_a_minute_apart_are_proof_and_close_the_bill() -> None:
    machine = absent(unwanted(), since=40, until=10, lists=2)

    action = recorded(S.TERMINATING, machine)

    assert action.machine_changes == {"gone_at": ago(10), "billed_usd": Decimal("0.1000")}
    assert action.data == {"listed": [ago(40).isoformat(), ago(10).isoformat()]}


def test_F24_an_unclear_launch_is_settled_before_it_is_ended() -> None:
    open_window = unclear(end_wanted_at=ago(5), launch_ended_at=ago(50))
    shown = unclear(end_wanted_at=ago(5), seen_instance_id="i-7", seen_at=ago(1))
    never_shown = absent(unclear(end_wanted_at=ago(5)), since=200, until=1, lists=9)

    assert rests(decided(S.TERMINATING, open_window)) == TIMING.poll_seconds
    assert recorded(S.TERMINATING, shown).machine_changes["instance_id"] == "i-7"
    assert recorded(S.TERMINATING, never_shown).machine_changes["billed_usd"] == Decimal(0)


def test_every_machine_is_ended_not_only_the_newest() -> None:
    old, new = working(), gone(working(attempt=2))

    assert recorded(S.TERMINATING, old, new).machine is old


def test_a_fresh_machine_is_rented_only_once_the_old_one_is_proven_gone() -> None:
    assert recorded(S.RECOVERING, unwanted(end_wanted_at=None)).to is None

    action = recorded(S.RECOVERING, gone(working()))

    assert action.to == S.LAUNCHING
    assert action.deployment["round_started_at"] == NOW


@pytest.mark.parametrize("outcome", sorted(TERMINAL))
def test_the_outcome_is_shown_with_the_final_cost_once_all_are_gone(outcome: Status) -> None:
    machines = (gone(a_machine(), billed="0.10"), refused("capacity"), gone(a_machine()))

    action = recorded(terminating(outcome=outcome), *machines)

    assert action.to == outcome
    assert action.deployment["actual_cost"] == Decimal("0.20")
    assert action.deployment["completed_at"] == NOW


def test_the_error_of_a_failure_says_what_it_cost_and_that_nothing_bills() -> None:
    why = faults.machine_lost("m")

    action = recorded(
        terminating(outcome=S.FAILED, error=dict(why)), gone(a_machine(), billed="0.1234")
    )

    assert action.deployment["error"] == {**why, "cost_usd": "0.13", "bills": False}


def test_F24_a_deployment_cancelled_before_any_machine_is_over_and_free() -> None:
    action = recorded(terminating(outcome=S.CANCELLED))

    assert action.to == S.CANCELLED
    assert action.deployment["actual_cost"] == Decimal(0)


def test_F21_nothing_is_over_while_a_stray_of_the_deployment_may_live() -> None:
    deployment = terminating(attention=faults.strays())

    action = decide(situation(deployment, gone(a_machine()), strays=(a_stray(),)))

    assert rests(action) == TIMING.poll_seconds


# Alarms: set by what the rows say, gone when they no longer say it.


def test_F64_F65_F67_ten_minutes_after_the_first_request_there_is_an_alarm() -> None:
    quiet = unwanted(terminate_requested_at=ago(599))
    machine = unwanted(terminate_requested_at=ago(600))

    assert not isinstance(decided(terminating(), quiet), type(recorded(terminating(), machine)))
    attention = recorded(terminating(), machine).deployment["attention"]

    assert attention["code"] == "E_CANNOT_END"  # type: ignore[index]
    assert machine.name in attention["message"]  # type: ignore[index]


def test_an_alarm_that_is_shown_already_does_not_hold_up_the_work() -> None:
    machine = unwanted(terminate_requested_at=ago(900), next_terminate_at=NOW)
    alarm = faults.not_proven_gone(machine.name, region=machine.region)

    assert performs(decided(terminating(attention=dict(alarm)), machine), Effect.TERMINATE)


def test_a_launch_that_stays_unclear_after_its_end_was_wanted_is_an_alarm_too() -> None:
    machine = unclear(end_wanted_at=ago(601))

    attention = recorded(terminating(), machine).deployment["attention"]

    assert attention["code"] == "E_CANNOT_END"  # type: ignore[index]


def test_an_alarm_is_over_when_its_machine_is_gone() -> None:
    alarm = faults.not_proven_gone("slwtst-x", region="us-east-1")
    deployment = a_deployment(S.LAUNCHING, attention=dict(alarm))

    assert recorded(deployment, gone(a_machine())).deployment == {"attention": None}


def test_F56_a_refused_key_with_a_living_machine_says_what_to_end_by_hand() -> None:
    error = {"code": "E_AUTH", "message": "The key is refused.", "retryable": False}
    machine = working(instance_id="i-42")

    action = recorded(S.TRAINING, machine, cloud_error=error)

    attention = action.deployment["attention"]
    assert action.to is None
    assert attention["code"] == "E_AUTH"  # type: ignore[index]
    assert "i-42" in attention["remedy"]  # type: ignore[index]
    assert "us-east-1" in attention["remedy"]  # type: ignore[index]
    assert "https://" in attention["remedy"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("machine", "error"),
    [
        (working(), {"code": "E_PROVIDER_UNREACHABLE", "message": "", "retryable": True}),
        (gone(working()), {"code": "E_AUTH", "message": "", "retryable": False}),
    ],
)
def test_F58_an_outage_or_a_key_without_machines_is_no_alarm(
    machine: Machine, error: dict[str, object]
) -> None:
    action = decided(S.LAUNCHING, machine, cloud_error=error)

    assert getattr(action, "kind", "") != "attention"


def test_attention_about_failed_ticks_is_left_to_the_tick() -> None:
    deployment = a_deployment(S.PREPARING, attention={"kind": "failed_ticks", "code": "E_X"})

    assert performs(decided(deployment, logged_in()), Effect.PREPARE)


@pytest.mark.parametrize("state", [LaunchState.REFUSED, LaunchState.NEVER_SEEN])
def test_what_was_never_started_needs_no_end(state: LaunchState) -> None:
    assert recorded(terminating(), unclear(launch_state=state)).to == S.COMPLETED
