"""Whole lives, from the deployment accepted to the last machine proven gone."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from deployments.models import Artifact, Deployment
from deployments.models.deployments import LaunchState, Status
from deployments.providers.base import InstanceStatus
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World, statuses

S = Status
ALL_THE_WAY = [S.LAUNCHING, S.BOOTING, S.PREPARING, S.TRAINING, S.COLLECTING, S.TERMINATING]
NEVER = 10**7


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.TIMING = QUICK


def error_code(deployment: Deployment) -> str | None:
    return deployment.error["code"] if deployment.error else None


def test_a_life_without_trouble_is_completed_and_costs_what_it_took(world: World) -> None:
    deployment = world.until(world.deploy())

    assert statuses(deployment) == [*ALL_THE_WAY, S.COMPLETED]
    assert Artifact.objects.get().deployment == deployment
    assert deployment.error is None
    check_end(world.cloud, deployment, exact=True)


def test_two_lives_under_one_key_do_not_disturb_each_other(world: World) -> None:
    first, second = world.deploy(), world.deploy()

    for deployment in (first, second):
        assert world.until(deployment).status == S.COMPLETED
        check_end(world.cloud, deployment, exact=True)


# Capacity.


def test_R2_capacity_that_comes_in_time_is_taken(world: World) -> None:
    world.cloud.fail("launch", "capacity", "capacity")

    deployment = world.until(world.deploy())

    assert deployment.status == S.COMPLETED
    assert statuses(deployment)[:5] == [
        S.LAUNCHING,
        S.WAITING_FOR_CAPACITY,
        S.LAUNCHING,
        S.WAITING_FOR_CAPACITY,
        S.LAUNCHING,
    ]
    check_end(world.cloud, deployment, exact=True)


def test_R2_capacity_that_never_comes_ends_it_for_free_when_the_wait_is_over(
    world: World,
) -> None:
    world.cloud.fail("offers", *["sold_out"] * 99)
    accepted_at = world.clock.now

    deployment = world.until(world.deploy(wait_for_capacity_minutes=10))

    assert (deployment.status, error_code(deployment)) == (S.FAILED, "E_CAPACITY")
    assert deployment.actual_cost == 0
    assert world.clock.now - accepted_at < timedelta(minutes=11)


def test_who_does_not_wait_is_told_at_once(world: World) -> None:
    world.cloud.fail("launch", "capacity")
    accepted_at = world.clock.now

    deployment = world.until(world.deploy(wait_for_capacity_minutes=0))

    assert error_code(deployment) == "E_CAPACITY"
    assert world.clock.now - accepted_at < timedelta(minutes=1)


def test_I5_launches_that_only_ever_fail_unclearly_end_with_the_wait(world: World) -> None:
    world.cloud.fail("launch", *["failed"] * 99)

    deployment = world.until(world.deploy(wait_for_capacity_minutes=10))

    assert error_code(deployment) == "E_LAUNCH_UNCLEAR"
    assert deployment.actual_cost == 0
    check_end(world.cloud, deployment)


def test_I5_a_cloud_whose_offers_cannot_be_read_ends_it_with_the_wait(world: World) -> None:
    world.cloud.fail("offers", *["error"] * 999)

    deployment = world.until(world.deploy(wait_for_capacity_minutes=5))

    assert error_code(deployment) == "E_PROVIDER_UNREACHABLE"


@pytest.mark.parametrize("reason", ["auth", "quota", "invalid"])
def test_F11_F12_F14_a_final_refusal_ends_it_for_free(world: World, reason: str) -> None:
    world.cloud.fail("launch", reason)

    deployment = world.until(world.deploy())

    assert deployment.status == S.FAILED
    assert deployment.actual_cost == 0
    assert deployment.error is not None
    assert deployment.error["bills"] is False


@pytest.mark.parametrize("reason", ["rate_limited", "unreachable"])
def test_F15_F22_what_passes_by_itself_is_waited_out(world: World, reason: str) -> None:
    world.cloud.fail("launch", reason, reason)

    assert world.until(world.deploy()).status == S.COMPLETED


# Launches without a clear answer.


@pytest.mark.parametrize("fault", ["lost", "lost_late", "late"])
def test_F17_F18_a_machine_that_shows_later_is_adopted(world: World, fault: str) -> None:
    world.cloud.fail("launch", fault)

    deployment = world.until(world.deploy())

    assert deployment.status == S.COMPLETED
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment)


def test_F16_a_launch_that_failed_without_a_word_is_tried_again_once_that_is_known(
    world: World,
) -> None:
    world.cloud.fail("launch", "failed")

    deployment = world.until(world.deploy())

    first, second = world.machines(deployment)
    assert (first.launch_state, first.billed_usd) == (LaunchState.NEVER_SEEN, Decimal(0))
    assert (second.requested_at - first.requested_at).total_seconds() >= 120
    assert deployment.status == S.COMPLETED
    check_end(world.cloud, deployment)


def test_F18_a_machine_that_appears_after_it_was_given_up_is_ended_as_well(
    world: World,
) -> None:
    world.cloud.fail("launch", "lost_late")
    deployment = world.deploy()
    world.step()
    world.cloud.machines[0].listed_from = world.clock.in_seconds(300)

    world.until(deployment)
    world.work_for(600)

    assert deployment.status == S.COMPLETED
    assert len(world.cloud.machines) == 2
    check_end(world.cloud, deployment)


def test_F21_a_second_machine_of_one_launch_is_ended_before_anything_is_over(
    world: World,
) -> None:
    world.cloud.fail("launch", "double")
    world.cloud.plan = Plan(train_from=1, exit_at=2)

    deployment = world.until(world.deploy())

    assert deployment.status == S.COMPLETED
    assert deployment.events.filter(kind="attention").exists()
    assert deployment.attention is None
    check_end(world.cloud, deployment, exact=True)


# Booting.


def test_F25_a_boot_that_never_ends_is_given_one_fresh_machine_then_given_up(
    world: World,
) -> None:
    world.cloud.boot_seconds = NEVER

    deployment = world.until(world.deploy())

    assert error_code(deployment) == "E_BOOT_TIMEOUT"
    assert len(world.cloud.machines) == 2
    check_end(world.cloud, deployment, exact=True)


def test_F25_the_fresh_machine_may_do_better(world: World) -> None:
    world.cloud.boot_seconds = NEVER
    deployment = world.until(world.deploy(), S.RECOVERING)
    world.cloud.boot_seconds = 30

    world.until(deployment)

    assert deployment.status == S.COMPLETED
    check_end(world.cloud, deployment, exact=True)


def test_F30_a_wrong_host_key_ends_it_after_one_machine(world: World) -> None:
    world.cloud.fail("ssh", *["hostkey"] * 9)

    deployment = world.until(world.deploy())

    assert error_code(deployment) == "E_HOSTKEY"
    assert len(world.cloud.machines) == 1
    assert world.cloud.machines[0].files == {}
    check_end(world.cloud, deployment, exact=True)


@pytest.mark.parametrize(
    ("fault", "code"), [("auth", "E_SSH_AUTH"), ("unreachable", "E_SSH_UNREACHABLE")]
)
def test_F29_a_machine_that_never_lets_us_in_is_given_up(
    world: World, fault: str, code: str
) -> None:
    world.cloud.fail("ssh", *[fault] * 999)

    deployment = world.until(world.deploy(max_attempts=1))

    assert error_code(deployment) == code
    check_end(world.cloud, deployment, exact=True)


# Machines that are lost or bad.


@pytest.mark.parametrize("status", [S.BOOTING, S.PREPARING, S.TRAINING, S.COLLECTING])
def test_F28_F49_a_machine_that_vanishes_is_replaced_under_the_same_budget(
    world: World, status: Status
) -> None:
    world.cloud.fail("download", "cut")
    deployment = world.until(world.deploy(), status)
    world.cloud.machines[0].end()

    world.until(deployment)

    assert S.RECOVERING in statuses(deployment)
    assert deployment.status == S.COMPLETED
    assert len(world.cloud.machines) == 2
    check_end(world.cloud, deployment, exact=True)


@pytest.mark.parametrize("shown_as", [InstanceStatus.UNHEALTHY, InstanceStatus.PREEMPTED])
def test_F26_F48_a_machine_that_turns_bad_while_booting_is_replaced(
    world: World, shown_as: InstanceStatus
) -> None:
    deployment = world.until(world.deploy(), S.BOOTING)
    world.cloud.machines[0].shown_as = shown_as

    world.until(deployment)

    assert len(world.cloud.machines) == 2
    assert deployment.status == S.COMPLETED
    check_end(world.cloud, deployment, exact=True)


def test_F50_an_unhealthy_machine_that_goes_on_training_is_left_to_it(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cloud.machines[0].shown_as = InstanceStatus.UNHEALTHY

    world.until(deployment)

    assert len(world.cloud.machines) == 1
    assert deployment.status == S.COMPLETED


def test_F43_a_run_that_falls_silent_is_replaced(world: World) -> None:
    world.cloud.plan = Plan(falls_silent=40, exit_at=NEVER)
    deployment = world.until(world.deploy(), S.RECOVERING)
    world.cloud.plan = Plan()

    world.until(deployment)

    assert deployment.status == S.COMPLETED
    assert world.machines(deployment)[0].fault is not None
    check_end(world.cloud, deployment, exact=True)


def test_F58_an_outage_of_an_hour_loses_nothing(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cloud.fail("list", *["error"] * 70)

    world.until(deployment)

    assert deployment.status == S.COMPLETED
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment)


# Training that ends badly.


def test_F45_training_that_fails_says_why_and_is_over(world: World) -> None:
    error = {"code": "E_OOM", "message": "Out of memory.", "remedy": "Shrink.", "retryable": False}
    world.cloud.plan = Plan(outcome="failed", has_adapter=False, error=error)

    deployment = world.until(world.deploy())

    assert deployment.error is not None
    assert error.items() <= (deployment.error | {"retryable": False}).items()
    assert Decimal(deployment.error["cost_usd"]) > 0
    check_end(world.cloud, deployment, exact=True)


def test_F46_F31_a_fault_of_the_hardware_is_tried_on_one_other_machine(world: World) -> None:
    error = {"code": "E_GPU", "message": "Xid 79.", "remedy": "", "retryable": True}
    world.cloud.plan = Plan(outcome="failed", has_adapter=False, error=error)

    deployment = world.until(world.deploy())

    assert error_code(deployment) == "E_GPU"
    assert len(world.cloud.machines) == 2
    check_end(world.cloud, deployment, exact=True)


def test_a_run_that_is_over_before_we_look_once_is_completed_all_the_same(
    world: World,
) -> None:
    world.cloud.plan = Plan(train_from=0.1, exit_at=0.2)

    deployment = world.until(world.deploy())

    assert statuses(deployment) == [*ALL_THE_WAY, S.COMPLETED]


def test_F59_an_adapter_that_is_none_is_a_failure(world: World) -> None:
    world.cloud.plan = Plan(files={"adapter/adapter_model.safetensors": b"rubbish"})

    deployment = world.until(world.deploy())

    assert (deployment.status, error_code(deployment)) == (S.FAILED, "E_NO_ADAPTER")
    check_end(world.cloud, deployment, exact=True)


def test_I5_an_adapter_that_cannot_be_reached_is_left_behind_at_the_limit(
    world: World,
) -> None:
    world.cloud.fail("download", "cut")
    deployment = world.until(world.deploy(budget_limit=Decimal("0.40")), S.COLLECTING)
    world.cloud.fail("ssh", *["unreachable"] * 999)

    world.until(deployment)

    assert error_code(deployment) == "E_COLLECT"
    assert deployment.actual_cost is not None
    assert deployment.actual_cost <= Decimal("0.40")
    check_end(world.cloud, deployment, exact=True)
