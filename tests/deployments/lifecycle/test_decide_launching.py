"""Queued, launching, waiting for capacity: what is decided before there is a machine."""

from datetime import timedelta
from decimal import Decimal

import pytest

from deployments.lifecycle.actions import Effect
from deployments.models.deployments import LaunchState, Status
from tests.deployments.lifecycle.situations import (
    NOW,
    TIMING,
    a_deployment,
    a_machine,
    absent,
    ago,
    decided,
    gone,
    performs,
    recorded,
    refused,
    rests,
    unclear,
)

S = Status
WAIT_IS_OVER = {"capacity_deadline": ago(1), "status_since": ago(1800)}


def test_an_accepted_deployment_starts_looking_for_a_machine() -> None:
    action = recorded(a_deployment(S.QUEUED, wait_for_capacity_minutes=30))

    assert action.to == S.LAUNCHING
    assert action.deployment == {
        "round_started_at": NOW,
        "capacity_deadline": NOW + timedelta(minutes=30),
    }


def test_launching_without_a_machine_asks_for_one() -> None:
    assert performs(decided(S.LAUNCHING), Effect.LAUNCH)


def test_launching_after_a_machine_that_is_gone_asks_for_a_fresh_one() -> None:
    assert performs(decided(S.LAUNCHING, gone(a_machine())), Effect.LAUNCH)


def test_an_accepted_launch_is_a_booting_machine() -> None:
    machine = a_machine(instance_id="i-1")

    action = recorded(S.LAUNCHING, machine)

    assert action.to == S.BOOTING
    assert action.deployment == {"deployment_id": "i-1"}


def test_F13_a_type_without_capacity_is_followed_by_the_next_offer_at_once() -> None:
    assert performs(decided(S.LAUNCHING, refused("capacity")), Effect.LAUNCH)


POD = {"platform": "runpod", "instance_type": "A10 pod"}


@pytest.mark.parametrize("reason", ["auth", "quota", "invalid", "other"])
def test_F11_F12_F14_a_final_refusal_ends_the_deployment_with_the_clouds_words(
    reason: str,
) -> None:
    action = recorded(S.LAUNCHING, refused(reason))

    assert action.to == S.TERMINATING
    assert action.deployment["outcome"] == S.FAILED
    assert action.deployment["error"] == {
        "code": f"E_{reason.upper()}",
        "message": f"No: {reason}.",
        "remedy": "Do something.",
        "retryable": False,
    }


@pytest.mark.parametrize("reason", ["auth", "quota", "invalid", "other"])
def test_F11_F12_F14_what_one_cloud_refuses_for_good_is_asked_of_the_other(reason: str) -> None:
    both = a_deployment(S.LAUNCHING, config={"fallbacks": [POD]})
    first, second = refused(reason), refused(reason, platform="runpod", attempt=2)

    assert performs(decided(both, first), Effect.LAUNCH)
    assert recorded(both, first, second).deployment["outcome"] == S.FAILED


def test_T20_our_own_block_of_launches_holds_for_every_cloud() -> None:
    both = a_deployment(S.LAUNCHING, config={"fallbacks": [POD]})

    assert recorded(both, refused("blocked")).deployment["outcome"] == S.FAILED


def test_F15_a_429_is_waited_out_as_long_as_the_cloud_says() -> None:
    machine = refused("rate_limited", launch_ended_at=ago(10), retry_after_seconds=40)

    assert rests(decided(S.LAUNCHING, machine)) == 30


def test_F15_a_429_without_retry_after_waits_the_launch_interval() -> None:
    machine = refused("rate_limited", launch_ended_at=ago(3))

    assert rests(decided(S.LAUNCHING, machine)) == TIMING.launch_interval_seconds - 3


@pytest.mark.parametrize("reason", ["rate_limited", "unreachable"])
def test_F15_F22_what_passes_by_itself_is_tried_again(reason: str) -> None:
    assert performs(decided(S.LAUNCHING, refused(reason)), Effect.LAUNCH)


def test_F22_a_certificate_failure_is_not_tried_again() -> None:
    action = recorded(S.LAUNCHING, refused("unreachable", retryable=False))

    assert action.deployment["outcome"] == S.FAILED


@pytest.mark.parametrize("reason", ["rate_limited", "unreachable"])
def test_what_never_passes_ends_with_the_users_wait(reason: str) -> None:
    deployment = a_deployment(S.LAUNCHING, **WAIT_IS_OVER)

    action = recorded(deployment, refused(reason))

    assert action.deployment["error"]["code"] == f"E_{reason.upper()}"  # type: ignore[index]


def test_F17_a_machine_that_shows_under_our_name_is_adopted() -> None:
    machine = unclear(seen_instance_id="i-9", seen_status="booting", seen_at=ago(3))

    action = recorded(S.LAUNCHING, machine)

    assert action.machine_changes["launch_state"] == LaunchState.LAUNCHED
    assert action.machine_changes["instance_id"] == "i-9"


def test_D2_an_unclear_launch_is_not_repeated_while_the_window_is_open() -> None:
    machine = absent(unclear(launch_ended_at=ago(119)), since=110, until=1, lists=11)

    assert rests(decided(S.LAUNCHING, machine)) == TIMING.poll_seconds


def test_D2_a_window_with_too_few_good_lists_proves_nothing() -> None:
    machine = absent(unclear(launch_ended_at=ago(600)), since=500, until=1, lists=3)

    assert rests(decided(S.LAUNCHING, machine)) == TIMING.poll_seconds


def test_I13_hours_without_a_list_prove_nothing() -> None:
    machine = unclear(launch_ended_at=ago(6 * 3600), requested_at=ago(6 * 3600 + 2))

    assert rests(decided(S.LAUNCHING, machine)) == TIMING.poll_seconds


def test_D2_after_the_window_nothing_was_started_and_nothing_is_billed() -> None:
    machine = absent(unclear(launch_ended_at=ago(140)), since=120, until=10, lists=4)

    action = recorded(S.LAUNCHING, machine)

    assert action.machine_changes["launch_state"] == LaunchState.NEVER_SEEN
    assert action.machine_changes["billed_usd"] == Decimal(0)
    assert len(action.data["listed"]) == 2  # type: ignore[arg-type]


def test_D2_the_window_of_a_call_that_crashed_starts_when_it_would_have_timed_out() -> None:
    crashed = unclear(launch_state=LaunchState.INTENT, launch_ended_at=None, requested_at=ago(149))
    absent(crashed, since=115, until=1, lists=9)

    assert rests(decided(S.LAUNCHING, crashed)) == TIMING.poll_seconds

    crashed.requested_at = ago(151)
    assert recorded(S.LAUNCHING, crashed).kind == "never_seen"


def test_after_a_launch_that_never_showed_the_next_attempt_is_made() -> None:
    machine = unclear(launch_state=LaunchState.NEVER_SEEN, billed_usd=Decimal(0))

    assert performs(decided(S.LAUNCHING, machine), Effect.LAUNCH)


def test_I5_launches_that_never_show_end_with_the_users_wait() -> None:
    deployment = a_deployment(S.LAUNCHING, **WAIT_IS_OVER)
    never_seen = {"launch_state": LaunchState.NEVER_SEEN, "billed_usd": Decimal(0)}

    action = recorded(deployment, *(unclear(attempt=n, **never_seen) for n in (1, 2, 3)))

    assert action.to == S.TERMINATING
    assert action.deployment["error"]["code"] == "E_LAUNCH_UNCLEAR"  # type: ignore[index]


def test_D2_who_does_not_wait_for_capacity_gets_two_more_tries_after_lost_launches() -> None:
    deployment = a_deployment(S.LAUNCHING, capacity_deadline=ago(160), status_since=ago(160))
    never_seen = {"launch_state": LaunchState.NEVER_SEEN, "billed_usd": Decimal(0)}

    assert performs(decided(deployment, unclear(**never_seen)), Effect.LAUNCH)
    lost_twice = unclear(**never_seen), unclear(attempt=2, **never_seen)
    assert performs(decided(deployment, *lost_twice), Effect.LAUNCH)


def test_who_does_not_want_to_wait_still_gets_one_try() -> None:
    deployment = a_deployment(S.LAUNCHING, capacity_deadline=ago(5), status_since=ago(5))

    assert performs(decided(deployment), Effect.LAUNCH)


def test_who_does_not_want_to_wait_still_gets_every_offer_tried_once() -> None:
    deployment = a_deployment(S.LAUNCHING, capacity_deadline=ago(400), status_since=ago(400))

    assert performs(decided(deployment, refused("capacity")), Effect.LAUNCH)


@pytest.mark.parametrize("machines", [(), (refused("capacity", launch_ended_at=ago(1800)),)])
def test_I5_a_cloud_that_cannot_even_be_asked_ends_it_after_the_wait(machines: tuple) -> None:  # type: ignore[type-arg]
    trouble = {"code": "E_PROVIDER_UNREACHABLE", "message": "No answer.", "remedy": "Wait."}
    deployment = a_deployment(
        S.LAUNCHING, attention={**trouble, "kind": "failed_ticks"}, **WAIT_IS_OVER
    )

    action = recorded(deployment, *machines)

    assert action.to == S.TERMINATING
    assert action.deployment["error"] == {**trouble, "retryable": False}


def test_R2_waiting_for_capacity_tries_again_each_minute() -> None:
    deployment = a_deployment(S.WAITING_FOR_CAPACITY, status_since=ago(20))

    assert rests(decided(deployment, refused("capacity"))) == 40

    deployment.status_since = ago(60)
    action = recorded(deployment, refused("capacity"))
    assert action.to == S.LAUNCHING
    assert action.deployment == {"round_started_at": NOW}


def test_waiting_for_capacity_rests_no_longer_than_the_user_wants_to_wait() -> None:
    deployment = a_deployment(
        S.WAITING_FOR_CAPACITY,
        status_since=ago(20),
        capacity_deadline=NOW + timedelta(seconds=15),
    )

    assert rests(decided(deployment, refused("capacity"))) == 15


def test_R2_the_end_of_the_wait_names_what_was_tried() -> None:
    deployment = a_deployment(S.WAITING_FOR_CAPACITY, capacity_deadline=NOW)
    tried = [refused("capacity", region="us-east-1"), refused("capacity", region="eu-1")]

    action = recorded(deployment, *tried)

    error = action.deployment["error"]
    assert action.to == S.TERMINATING
    assert error["code"] == "E_CAPACITY"  # type: ignore[index]
    assert "gpu_1x_a10 in eu-1, gpu_1x_a10 in us-east-1" in error["message"]  # type: ignore[index]


def test_the_end_of_the_wait_names_what_was_asked_when_nothing_was_on_offer() -> None:
    deployment = a_deployment(S.WAITING_FOR_CAPACITY, capacity_deadline=ago(1))

    action = recorded(deployment)

    assert "gpu_1x_a10 in us-east-1" in action.message
