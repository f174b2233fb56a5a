"""Machines that are bad, lost, silent or stalled, and whether another one is tried."""

from decimal import Decimal

import pytest

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Effect, Record
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from tests.deployments.lifecycle.situations import (
    a_deployment,
    a_machine,
    a_run,
    absent,
    ago,
    decided,
    ended,
    fails_for,
    gone,
    logged_in,
    performs,
    recorded,
    recovers_for,
    working,
)

S = Status
LIVE = (S.BOOTING, S.PREPARING, S.TRAINING)
MACHINES = {S.BOOTING: a_machine, S.PREPARING: logged_in, S.TRAINING: working}


@pytest.mark.parametrize("status", LIVE)
@pytest.mark.parametrize("seen_status", ["preempted", "terminating"])
def test_F48_a_machine_that_the_cloud_takes_away_is_replaced(
    status: Status, seen_status: str
) -> None:
    action = recorded(status, MACHINES[status](seen_status=seen_status), run=a_run())

    assert recovers_for(action, "E_MACHINE_UNHEALTHY")


@pytest.mark.parametrize("status", LIVE)
def test_F28_F49_two_good_lists_half_a_minute_apart_prove_a_machine_lost(status: Status) -> None:
    machine = absent(MACHINES[status](), since=31, until=1, lists=2)

    action = recorded(status, machine, run=a_run())

    assert recovers_for(action, "E_MACHINE_LOST")


@pytest.mark.parametrize("status", LIVE)
@pytest.mark.parametrize(
    ("since", "until", "lists"), [(0, 0, 1), (29, 0, 3), (600, 600, 1)], ids=str
)
def test_F28_I13_less_than_that_proves_nothing(
    status: Status, since: float, until: float, lists: int
) -> None:
    machine = absent(MACHINES[status](), since=since, until=until, lists=lists)

    action = decided(status, machine, run=a_run())

    assert not (isinstance(action, Record) and action.to in (S.RECOVERING, S.TERMINATING))


@pytest.mark.parametrize("machine", [a_machine(), a_machine(active_at=ago(9)), logged_in()])
def test_F26_unhealthy_before_the_agent_runs_is_replaced_at_once(machine: Machine) -> None:
    machine.seen_status = "unhealthy"
    status = S.PREPARING if machine.login_at else S.BOOTING

    assert recovers_for(recorded(status, machine), "E_MACHINE_UNHEALTHY")


@pytest.mark.parametrize("status", [S.PREPARING, S.TRAINING])
def test_F50_unhealthy_with_a_living_run_log_goes_on(status: Status) -> None:
    machine = working(seen_status="unhealthy")

    action = decided(status, machine, run=a_run(phase="install", silent_seconds=59))

    assert not (isinstance(action, Record) and action.to == S.RECOVERING)


def unhealthy(since: float, **fields: object) -> Machine:
    """Return a working machine that every list has called unhealthy for so long."""
    values: dict[str, object] = {
        "seen_status": "unhealthy",
        "unhealthy_since": ago(since + 3),
        "seen_at": ago(3),
    }
    return working(**(values | fields))


def warned_of_unhealthy() -> Deployment:
    why = faults.unhealthy_but_works("slwtst-0a1b2c3d-a1-n0-t1")
    return a_deployment(S.TRAINING, attention=dict(why))


def test_F50_unhealthy_in_two_lists_a_minute_apart_and_silent_is_replaced() -> None:
    action = recorded(warned_of_unhealthy(), unhealthy(60), run=a_run(silent_seconds=60))

    assert recovers_for(action, "E_MACHINE_UNHEALTHY")


@pytest.mark.parametrize(("since", "silent_seconds"), [(59, 300), (0, 300), (300, 59)])
def test_F50_neither_one_list_nor_silence_alone_is_enough(
    since: float, silent_seconds: float
) -> None:
    action = decided(
        warned_of_unhealthy(), unhealthy(since), run=a_run(silent_seconds=silent_seconds)
    )

    assert performs(action, Effect.FOLLOW)


def test_F50_what_works_although_it_is_called_unhealthy_is_told() -> None:
    warning = recorded(S.TRAINING, unhealthy(600), run=a_run())

    assert warning.to is None
    assert "it goes on working" in str(warning.deployment["attention"])


def test_F43_silence_alone_is_given_ten_minutes_and_then_one_last_try_to_save() -> None:
    assert performs(decided(S.TRAINING, working(), run=a_run(silent_seconds=599)), Effect.FOLLOW)

    action = recorded(S.TRAINING, working(), run=a_run(silent_seconds=600))

    assert (action.to, action.deployment["landing"]) == (S.COLLECTING, "silent")
    assert "E_SILENT" in str(action.deployment["error"])


def last_try(seconds: float, landing: str = "silent") -> Deployment:
    """Return a deployment that has tried to save what there is for so long."""
    why = faults.silent(10) if landing == "silent" else faults.stalled(30, step=7)
    return a_deployment(S.COLLECTING, status_since=ago(seconds), landing=landing, error=dict(why))


def test_F43_the_last_try_is_bounded_and_then_the_machine_is_replaced() -> None:
    mute = a_run(silent_seconds=700)

    assert performs(decided(last_try(179), working(), run=mute), Effect.FOLLOW)
    assert recovers_for(recorded(last_try(180), working(), run=mute), "E_SILENT")


def test_F43_the_last_try_never_spends_more_than_the_reserve() -> None:
    poor = last_try(20)
    poor.budget_limit, poor.budget_warned = Decimal("0.11"), 95

    assert recorded(poor, working(), run=a_run(silent_seconds=700)).to == S.TERMINATING


def test_F43_what_it_saved_after_all_is_brought_home() -> None:
    assert performs(decided(last_try(60), working(), run=ended("stopped")), Effect.COLLECT)


def test_F43_a_run_that_was_only_out_of_sight_and_finished_is_no_failure() -> None:
    action = recorded(last_try(60), working(), run=ended("completed"))

    assert action.deployment == {"landing": "finished", "error": None}


def test_F43_in_preparing_there_is_nothing_to_save() -> None:
    action = recorded(S.PREPARING, working(), run=a_run(phase="install", silent_seconds=600))

    assert recovers_for(action, "E_SILENT")


# F44: it lives and stands still.


def test_F44_without_a_step_for_fifteen_minutes_its_owner_is_warned() -> None:
    assert performs(
        decided(S.TRAINING, working(), run=a_run(step=7, stalled_seconds=899)), Effect.FOLLOW
    )

    warning = recorded(S.TRAINING, working(), run=a_run(step=7, stalled_seconds=900))

    assert warning.to is None
    assert "E_STALLED" in str(warning.deployment["attention"])


def test_F44_after_twice_that_time_it_is_asked_to_save() -> None:
    shown = a_deployment(S.TRAINING, attention=dict(faults.stalled(15, step=7)))

    action = recorded(shown, working(), run=a_run(step=7, stalled_seconds=1800))

    assert (action.to, action.deployment["landing"]) == (S.COLLECTING, "stalled")


@pytest.mark.parametrize(("stalled_seconds", "warned"), [(1999, False), (2000, True)])
def test_F44_slow_steps_have_twenty_times_their_median(
    stalled_seconds: float, warned: bool
) -> None:
    action = decided(
        S.TRAINING,
        working(),
        run=a_run(step=7, stalled_seconds=stalled_seconds),
        median_step_seconds=100.0,
    )

    assert isinstance(action, Record) is warned


def test_F44_the_first_step_may_take_twice_as_long() -> None:
    assert performs(decided(S.TRAINING, working(), run=a_run(stalled_seconds=1799)), Effect.FOLLOW)

    warning = recorded(S.TRAINING, working(), run=a_run(stalled_seconds=1800))

    assert "E_STALLED" in str(warning.deployment["attention"])


def test_F44_a_run_that_saves_nothing_fails_and_is_not_tried_again() -> None:
    action = recorded(last_try(180, "stalled"), working(), run=a_run(stalled_seconds=1900))

    assert (action.to, action.deployment["outcome"]) == (S.TERMINATING, S.FAILED)
    assert "E_STALLED" in str(action.deployment["error"])


# Another try, or not.

LOST = {"since": 40, "until": 0, "lists": 4}


def test_max_attempts_counts_machines_that_were_started() -> None:
    first = gone(a_machine(fault=faults.machine_lost("first")))
    second = absent(working(attempt=2), **LOST)

    assert fails_for(recorded(S.TRAINING, first, second, run=a_run()), "E_MACHINE_LOST")


def test_launches_that_came_to_nothing_use_up_no_attempt() -> None:
    refusals = [a_machine(launch_state=state, billed_usd=0) for state in ("refused", "never_seen")]

    action = recorded(S.TRAINING, *refusals, absent(working(), **LOST), run=a_run())

    assert recovers_for(action, "E_MACHINE_LOST")


def test_with_one_attempt_allowed_a_lost_machine_is_the_end() -> None:
    deployment = a_deployment(S.TRAINING, max_attempts=1)

    action = recorded(deployment, absent(working(), **LOST), run=a_run())

    assert fails_for(action, "E_MACHINE_LOST")


def test_F53_a_budget_that_pays_for_no_further_boot_allows_no_further_machine() -> None:
    deployment = a_deployment(S.TRAINING, budget_limit=Decimal("0.40"))

    action = recorded(deployment, absent(working(), **LOST), run=a_run())

    assert fails_for(action, "E_MACHINE_LOST")


def test_a_fresh_try_forgets_how_the_last_one_landed() -> None:
    deployment = a_deployment(S.COLLECTING, landing="finished")

    action = recorded(deployment, absent(working(), **LOST), run=ended())

    assert recovers_for(action, "E_MACHINE_LOST")
    assert action.deployment == {"landing": "", "error": None}


# F46: faults of the hardware, after what was saved came home.


@pytest.mark.parametrize(("retryable", "again"), [(True, True), (False, False)])
def test_F46_a_fault_of_the_machine_is_tried_once_more_after_its_adapter_came_home(
    retryable: bool, again: bool
) -> None:
    why = faults.fault("E_XID", "Xid 79.", remedy="Again.", retryable=retryable)
    deployment = a_deployment(S.COLLECTING, landing="failed", error=dict(why))

    action = recorded(deployment, working(), run=ended("failed"), adapter_home=True)

    assert action.to == (S.RECOVERING if again else S.TERMINATING)


def test_F31_F32_F46_no_more_machines_are_tried_than_were_allowed() -> None:
    why = faults.fault("E_WRONG_GPU", "16 GiB.", remedy="Again.", retryable=True)
    first, second = gone(working()), working(attempt=2)

    action = recorded(S.TRAINING, first, second, run=ended("failed", has_adapter=False, error=why))

    assert fails_for(action, "E_WRONG_GPU")
