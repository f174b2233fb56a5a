"""What this installation's own machines have taken, once enough of them have told."""

from datetime import timedelta
from typing import Any

import pytest

from deployments.models import Machine
from deployments.past_times import past_times, spread
from tests.builders import (
    NOON,
    make_config,
    make_deployment,
    make_event,
    make_job,
    make_machine,
    make_run_state,
    make_user,
)

pytestmark = pytest.mark.django_db


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def a_machine(boot: float = 200, end: float = 60, **fields: Any) -> Machine:
    gone = NOON + seconds(3600)
    return make_machine(
        login_at=NOON + seconds(boot),
        terminate_requested_at=gone - seconds(end),
        gone_at=gone,
        **fields,
    )


def test_the_middle_half_of_what_machines_took_and_their_number() -> None:
    # Of 100, 200, 300, 400, 500 the quartiles are 200 and 400, the median 300.
    found = spread([300, 100, 500, 200, 400])

    assert found is not None
    assert (found.seconds.low, found.median, found.seconds.high) == (200, 300, 400)
    assert found.basis == "5 machines of this installation"


def test_two_machines_say_nothing() -> None:
    assert spread([100, 200]) is None


def test_boot_is_from_the_launch_to_the_first_login() -> None:
    for boot in (100, 200, 300):
        a_machine(boot)

    found = past_times(make_user(), platform="lambda", base_model="example/x")

    assert found.boot is not None
    assert found.boot.median == 200
    assert found.end is not None
    assert found.end.median == 60


def test_another_cloud_and_a_larger_machine_say_nothing_of_this_one() -> None:
    for _ in range(3):
        a_machine(platform="elsewhere")
        a_machine(gpu_count=8)

    assert past_times(make_user(), platform="lambda", base_model="example/x").boot is None


def test_preparing_is_known_from_ones_own_runs_of_the_same_model() -> None:
    user = make_user()
    for model in 3 * ["example/one"] + 3 * ["example/two"]:
        job = make_job(user, training_config=make_config(user, base_model=model))
        machine = a_machine(deployment=make_deployment(job=job))
        took = 100 if model == "example/one" else 900
        make_run_state(machine, first_step_at=NOON + seconds(200 + took))

    found = past_times(user, platform="lambda", base_model="example/one")

    assert found.prepare is not None
    assert (found.prepare.median, found.prepare.machines) == (100, 3)
    # I18: nothing of another user's models is told.
    theirs = past_times(make_user(), platform="lambda", base_model="example/one")
    assert theirs.prepare is None


def test_bringing_home_is_from_collecting_to_ending_of_runs_that_completed() -> None:
    for took in (20, 40, 60):
        deployment = make_deployment(status="completed")
        make_event(deployment, at=NOON, to_status="collecting")
        make_event(deployment, at=NOON + seconds(took), to_status="terminating")
    failed = make_deployment(status="failed")
    make_event(failed, at=NOON, to_status="collecting")
    make_event(failed, at=NOON + seconds(9000), to_status="terminating")

    found = past_times(make_user(), platform="lambda", base_model="example/x")

    assert found.bring_home is not None
    assert (found.bring_home.median, found.bring_home.machines) == (40, 3)
