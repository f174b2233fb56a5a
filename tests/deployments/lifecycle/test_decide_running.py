"""Booting, preparing, training: what is decided while a machine works for us."""

from datetime import datetime

import pytest

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Effect
from deployments.models.deployments import Status
from tests.deployments.lifecycle.situations import (
    NOW,
    TIMING,
    a_deployment,
    a_machine,
    a_run,
    ago,
    decided,
    ended,
    fails_for,
    logged_in,
    performs,
    recorded,
    recovers_for,
    rests,
    working,
)

S = Status
# Booting.


def test_F27_active_with_an_address_is_noted() -> None:
    action = recorded(S.BOOTING, a_machine())

    assert action.machine_changes == {"active_at": NOW}


@pytest.mark.parametrize(
    "seen", [{"seen_ip": None}, {"seen_status": "booting"}, {"seen_status": "unknown"}]
)
def test_F27_without_active_and_address_booting_goes_on(seen: dict[str, str | None]) -> None:
    assert rests(decided(S.BOOTING, a_machine(**seen))) == TIMING.poll_seconds


def test_an_active_machine_is_logged_in_to() -> None:
    assert performs(decided(S.BOOTING, a_machine(active_at=ago(10))), Effect.LOG_IN)


def test_a_login_that_worked_leads_to_preparing() -> None:
    assert recorded(S.BOOTING, logged_in()).to == S.PREPARING


@pytest.mark.parametrize(("gpus", "minutes"), [(1, 20), (8, 35)])
def test_F25_a_boot_that_never_ends_is_given_up(gpus: int, minutes: int) -> None:
    limit = minutes * 60
    late = {"seen_status": "booting", "gpu_count": gpus, "requested_at": ago(limit + 20)}

    assert rests(decided(S.BOOTING, a_machine(launch_ended_at=ago(limit), **late)))
    action = recorded(S.BOOTING, a_machine(launch_ended_at=ago(limit + 5), **late))

    assert recovers_for(action, "E_BOOT_TIMEOUT")


def test_F25_F58_a_boot_is_not_given_up_on_what_was_seen_before_the_cloud_fell_silent() -> None:
    machine = a_machine(
        requested_at=ago(3600), launch_ended_at=ago(3600), seen_status="booting", seen_at=ago(3000)
    )

    assert rests(decided(S.BOOTING, machine)) == TIMING.poll_seconds


def test_F29_an_image_that_refuses_our_key_is_given_up_after_three_minutes() -> None:
    machine = a_machine(active_at=ago(300), login_refused_since=ago(180))

    assert recovers_for(recorded(S.BOOTING, machine), "E_SSH_AUTH")


def test_F29_ssh_that_never_answers_is_given_up_after_ten_minutes() -> None:
    early = a_machine(active_at=ago(605), login_tried_at=ago(6))
    assert performs(decided(S.BOOTING, early), Effect.LOG_IN)

    action = recorded(S.BOOTING, a_machine(active_at=ago(605), login_tried_at=ago(5)))
    assert recovers_for(action, "E_SSH_UNREACHABLE")


@pytest.mark.parametrize("tried_at", [None, ago(900)])
def test_F29_F76_a_machine_that_nobody_tried_to_reach_is_tried_but_not_for_ever(
    tried_at: datetime | None,
) -> None:
    unwatched = a_machine(active_at=ago(1199), login_tried_at=tried_at)
    assert performs(decided(S.BOOTING, unwatched), Effect.LOG_IN)

    action = recorded(S.BOOTING, a_machine(active_at=ago(1200), login_tried_at=tried_at))
    assert recovers_for(action, "E_SSH_UNREACHABLE")


def test_F30_a_wrong_host_key_ends_it_after_one_machine_with_the_remedy() -> None:
    action = recorded(S.BOOTING, a_machine(fault=faults.host_key_mismatch("lambda")))

    assert fails_for(action, "E_HOSTKEY")
    assert "first_contact" in action.deployment["error"]["remedy"]  # type: ignore[index]


# Preparing.


def test_preparing_brings_what_is_missing_until_the_agent_runs() -> None:
    assert performs(decided(S.PREPARING, logged_in()), Effect.PREPARE)
    assert performs(decided(S.PREPARING, logged_in(), run=a_run(phase="")), Effect.PREPARE)


def test_preparing_follows_the_agent_once_it_runs() -> None:
    run = a_run(phase="install", looked_at=None)

    assert performs(decided(S.PREPARING, working(), run=run), Effect.FOLLOW)


@pytest.mark.parametrize("phase", ["train", "save", "finished"])
def test_preparing_is_over_once_training_began(phase: str) -> None:
    assert recorded(S.PREPARING, working(), run=a_run(phase=phase)).to == S.TRAINING


@pytest.mark.parametrize("outcome", ["completed", "failed", "stopped"])
def test_a_run_that_ended_between_two_looks_passes_through_training(outcome: str) -> None:
    assert recorded(S.PREPARING, working(), run=ended(outcome)).to == S.TRAINING


def test_F31_a_run_that_fails_in_preparing_says_why() -> None:
    error = {"code": "E_NO_GPU", "message": "CUDA is broken.", "remedy": "", "retryable": True}
    run = ended("failed", has_adapter=False, phase="preflight", error=error)

    assert recovers_for(recorded(S.PREPARING, working(), run=run), "E_NO_GPU")


def test_I5_preparing_has_an_hour() -> None:
    machine = logged_in(login_at=ago(3600))

    assert recovers_for(recorded(S.PREPARING, machine), "E_PREPARE_TIMEOUT")


# Training.


def test_training_reads_the_run_log_at_every_poll() -> None:
    assert performs(decided(S.TRAINING, working(), run=a_run()), Effect.FOLLOW)
    assert rests(decided(S.TRAINING, working(), run=a_run(looked_at=ago(4)))) == 6


def test_training_that_completed_is_collected() -> None:
    action = recorded(S.TRAINING, working(), run=ended())

    assert action.to == S.COLLECTING
    assert action.deployment == {"landing": "finished", "error": None}


def test_training_that_failed_with_an_adapter_is_collected_and_says_why() -> None:
    error = {"code": "E_NAN", "message": "Loss is NaN.", "remedy": "Lower it.", "retryable": False}

    action = recorded(S.TRAINING, working(), run=ended("failed", error=error))

    assert action.to == S.COLLECTING
    assert action.deployment == {"landing": "failed", "error": error}


def test_F54_a_run_that_the_agent_stopped_by_its_own_deadline_is_collected() -> None:
    action = recorded(S.TRAINING, working(), run=ended("stopped"))

    assert action.to == S.COLLECTING
    assert action.deployment["landing"] == "deadline"
    assert action.deployment["error"]["code"] == "E_MAX_HOURS"  # type: ignore[index]


def test_F45_training_that_failed_without_an_adapter_is_over() -> None:
    error = {"code": "E_OOM", "message": "Out of memory.", "remedy": "Shrink.", "retryable": False}
    run = ended("failed", has_adapter=False, error=error)

    assert fails_for(recorded(S.TRAINING, working(), run=run), "E_OOM")


def test_F59_training_that_completed_without_an_adapter_failed() -> None:
    run = ended("completed", has_adapter=False)

    assert fails_for(recorded(S.TRAINING, working(), run=run), "E_NO_ADAPTER")


def test_a_failure_that_the_machine_did_not_explain_is_still_an_error_with_a_remedy() -> None:
    action = recorded(S.TRAINING, working(), run=ended("failed", has_adapter=False))

    assert fails_for(action, "E_TRAINING")
    assert action.deployment["error"]["remedy"]  # type: ignore[index]


# F57: the owner.


@pytest.mark.parametrize("status", [S.QUEUED, S.LAUNCHING, S.TRAINING, S.COLLECTING])
def test_F57_a_run_whose_owner_may_no_longer_sign_in_is_stopped(status: Status) -> None:
    action = recorded(status, working(), run=a_run(), owner_may_run=False)

    assert (action.kind, action.deployment) == ("owner_left", {"desired": "stop"})


def test_F57_it_is_stopped_once_and_then_saves() -> None:
    deployment = a_deployment(S.TRAINING, desired="stop")

    action = recorded(deployment, working(), run=a_run(), owner_may_run=False)

    assert (action.to, action.deployment["landing"]) == (S.COLLECTING, "stop")
