"""Lives that are made to end, by a stop, a budget or a time limit; clouds that do not let go."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from deployments import reaper
from deployments.models import Artifact, Deployment
from deployments.models.deployments import Status
from deployments.providers.base import InstanceStatus
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World, statuses

S = Status
LONG = Plan(exit_at=10**6)
LIVE = [S.QUEUED, S.LAUNCHING, S.BOOTING, S.PREPARING, S.TRAINING, S.COLLECTING, S.TERMINATING]


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.TIMING = QUICK


def error_code(deployment: Deployment) -> str | None:
    return deployment.error["code"] if deployment.error else None


# Stop (F24).


@pytest.mark.parametrize("save", [True, False])
@pytest.mark.parametrize("status", LIVE)
def test_F24_a_stop_in_any_status_ends_with_nothing_alive(
    world: World, status: Status, save: bool
) -> None:
    deployment = world.until(world.deploy(), status)

    world.cancel(deployment, save=save)
    world.until(deployment)

    outcome = S.COMPLETED if status == S.TERMINATING else S.CANCELLED
    assert deployment.status == outcome
    check_end(world.cloud, deployment, exact=True)


@pytest.mark.parametrize("save", [True, False])
def test_F24_a_stop_while_capacity_is_waited_for_is_quick_and_free(
    world: World, save: bool
) -> None:
    world.cloud.fail("offers", *["sold_out"] * 99)
    deployment = world.until(world.deploy(), S.WAITING_FOR_CAPACITY)
    asked_at = world.clock.now

    world.cancel(deployment, save=save)
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert deployment.actual_cost == Decimal(0)
    assert world.clock.now - asked_at < timedelta(seconds=20)


def test_F24_a_stop_while_a_lost_machine_is_replaced_rents_no_other(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cloud.machines[0].shown_as = InstanceStatus.PREEMPTED
    world.until(deployment, S.RECOVERING)

    world.cancel(deployment)
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment, exact=True)


@pytest.mark.parametrize("fault", ["lost", "lost_late", "failed", "killed_after", "killed_before"])
def test_F24_a_stop_during_an_unclear_launch_is_not_over_before_it_is_settled(
    world: World, fault: str
) -> None:
    world.cloud.fail("launch", fault)
    deployment = world.deploy()
    world.until(deployment, lambda d: d.machines.exists())

    world.cancel(deployment, save=False)
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    check_end(world.cloud, deployment)


def test_a_stop_in_training_brings_the_adapter_home(world: World) -> None:
    world.cloud.plan = LONG
    deployment = world.until(world.deploy(), S.TRAINING)

    world.cancel(deployment)
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert Artifact.objects.filter(deployment=deployment).exists()
    check_end(world.cloud, deployment, exact=True)


def test_a_stop_without_saving_does_not_wait_for_the_agent(world: World) -> None:
    world.cloud.plan = LONG
    deployment = world.until(world.deploy(), S.TRAINING)

    world.cancel(deployment, save=False)
    world.until(deployment)

    assert S.COLLECTING not in statuses(deployment)
    assert not Artifact.objects.exists()


def test_I2_an_agent_that_never_saves_is_not_waited_for_longer_than_a_landing(
    world: World,
) -> None:
    world.cloud.plan = Plan(exit_at=10**6, save_seconds=10**6)
    deployment = world.until(world.deploy(), S.TRAINING)
    asked_at = world.clock.now

    world.cancel(deployment)
    world.until(deployment)

    assert world.clock.now - asked_at < timedelta(minutes=5)
    check_end(world.cloud, deployment, exact=True)


# Budget and time (F53, F54).


@pytest.mark.parametrize("budget", ["0.30", "0.45"])
def test_F53_I6_a_budget_lands_with_the_adapter_and_is_not_passed(
    world: World, budget: str
) -> None:
    world.cloud.plan = LONG

    deployment = world.until(world.deploy(budget_limit=Decimal(budget)))

    assert (deployment.status, error_code(deployment)) == (S.FAILED, "E_BUDGET")
    assert Artifact.objects.filter(deployment=deployment).exists()
    assert deployment.actual_cost is not None
    assert deployment.actual_cost <= Decimal(budget)
    check_end(world.cloud, deployment, exact=True)


@pytest.mark.parametrize("status", [S.BOOTING, S.PREPARING])
def test_F53_I6_a_budget_lands_before_there_is_anything_to_save(
    world: World, status: Status
) -> None:
    if status == S.BOOTING:
        world.cloud.boot_seconds = 10**6
    world.cloud.plan = Plan(train_from=10**6, exit_at=10**6)

    deployment = world.until(world.deploy(budget_limit=Decimal("0.20")))

    assert statuses(deployment)[-3] == status
    assert error_code(deployment) == "E_BUDGET"
    assert deployment.actual_cost is not None
    assert deployment.actual_cost <= Decimal("0.20")
    check_end(world.cloud, deployment, exact=True)


def test_F53_an_unclear_launch_counts_against_the_budget(world: World) -> None:
    world.cloud.fail("launch", "lost")
    world.cloud.fail("list", *["error"] * 40)

    deployment = world.until(world.deploy(budget_limit=Decimal("0.30")))

    assert error_code(deployment) == "E_BUDGET"
    check_end(world.cloud, deployment)


def test_F53_a_lost_machine_is_not_replaced_when_the_budget_pays_for_no_boot(
    world: World,
) -> None:
    world.cloud.plan = LONG
    deployment = world.until(world.deploy(budget_limit=Decimal("0.36")), S.TRAINING)
    world.cloud.machines[0].end()

    world.until(deployment)

    assert error_code(deployment) == "E_MACHINE_LOST"
    assert len(world.cloud.machines) == 1


def test_F54_a_run_lands_at_its_time_limit_with_the_adapter(world: World) -> None:
    world.cloud.plan = LONG
    accepted_at = world.clock.now

    deployment = world.until(world.deploy(max_hours=Decimal("0.25")))

    assert error_code(deployment) == "E_MAX_HOURS"
    assert Artifact.objects.filter(deployment=deployment).exists()
    assert world.clock.now - accepted_at < timedelta(minutes=18)
    check_end(world.cloud, deployment, exact=True)


def test_F54_no_machine_is_rented_after_the_time_limit(world: World) -> None:
    deployment = world.until(world.deploy(max_hours=Decimal("0.05")), S.TRAINING)
    world.cloud.machines[0].shown_as = InstanceStatus.PREEMPTED
    world.cloud.fail("terminate", *["error"] * 6)

    world.until(deployment)

    assert S.RECOVERING in statuses(deployment)
    assert error_code(deployment) == "E_MAX_HOURS"
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment)


# A machine that will not end (F64 to F68).


@pytest.mark.parametrize("fault", ["error", "auth", "lie", "lost"])
def test_F64_F65_terminate_is_repeated_until_it_works(world: World, fault: str) -> None:
    world.cloud.fail("terminate", *[fault] * 12)

    deployment = world.until(world.deploy())

    assert deployment.status == S.COMPLETED
    check_end(world.cloud, deployment)


def test_D3_F64_terminate_is_repeated_even_where_no_sweep_helps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "_is_due", lambda *given, **named: False)
    world.cloud.fail("terminate", *["error"] * 8)

    deployment = world.until(world.deploy(), hours=1)

    assert deployment.status == S.COMPLETED
    check_end(world.cloud, deployment)


def test_F64_F65_minutes_of_lies_are_an_alarm_that_goes_away_by_itself(
    world: World,
) -> None:
    world.cloud.fail("terminate", *["lie"] * 30)
    deployment = world.deploy()

    world.until(deployment, lambda d: d.attention is not None)
    alarmed = dict(deployment.attention or {})
    world.until(deployment)

    assert alarmed["code"] == "E_CANNOT_END"
    assert deployment.attention is None
    check_end(world.cloud, deployment)


def test_F56_a_revoked_key_says_what_to_end_by_hand_and_believes_it_once_it_can_see(
    world: World,
) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cloud.fail("list", *["auth"] * 40)
    world.cloud.fail("terminate", *["auth"] * 40)

    world.until(deployment, lambda d: d.attention is not None)
    told = dict(deployment.attention or {})
    world.until(deployment, S.TERMINATING)
    world.work_for(300)
    deployment.refresh_from_db()
    still_there = deployment.status
    world.cloud.machines[0].end()
    world.until(deployment)

    assert told["code"] == "E_AUTH"
    assert world.cloud.machines[0].instance_id in told["remedy"]
    assert still_there == S.TERMINATING
    check_end(world.cloud, deployment)


def test_F66_a_machine_that_is_not_listed_once_is_not_gone(world: World) -> None:
    world.cloud.fail("terminate", *["lie"] * 3)
    deployment = world.until(world.deploy(), S.TERMINATING)
    world.cloud.fail("list", "empty", "ok", "empty", "ok")

    world.until(deployment)

    check_end(world.cloud, deployment)


def test_F67_a_machine_stuck_in_terminating_bills_until_it_is_gone(world: World) -> None:
    deployment = world.until(world.deploy(), S.TERMINATING)
    machine = world.cloud.machines[0]
    world.cloud.fail("terminate", *["lie"] * 999)
    machine.ended_at = None
    world.work_for(900)
    deployment.refresh_from_db()
    status, attention = deployment.status, deployment.attention
    machine.end()
    world.until(deployment)

    assert status == S.TERMINATING
    assert attention is not None
    check_end(world.cloud, deployment, exact=True)


def test_D3_F28_one_list_without_the_machine_ends_nothing_and_rents_nothing(world: World) -> None:
    world.cloud.plan = Plan(exit_at=600)
    deployment = world.until(world.deploy(), S.TRAINING)

    world.cloud.fail("list", "empty")
    world.until(deployment)

    assert deployment.status == S.COMPLETED
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment, exact=True)


def test_F68_a_list_that_is_empty_by_mistake_ends_nothing_and_rents_nothing(
    world: World,
) -> None:
    world.cloud.plan = Plan(exit_at=600)
    lives = [world.deploy() for _ in range(3)]
    for deployment in lives:
        world.until(deployment, S.TRAINING)

    world.cloud.fail("list", "empty", "empty")
    for deployment in lives:
        world.until(deployment)

    assert len(world.cloud.machines) == 3
    for deployment in lives:
        assert deployment.status == S.COMPLETED
        check_end(world.cloud, deployment, exact=True)


def test_F13_a_fallback_is_rented_when_what_was_asked_for_is_refused(world: World) -> None:
    world.cloud.prices = {
        ("gpu_1x_a10", "us-east-1"): Decimal("1.29"),
        ("gpu_1x_h100", "us-west-1"): Decimal("3.29"),
        ("gpu_1x_gh200", "us-west-1"): Decimal("1.99"),
    }
    world.cloud.fail("launch", "capacity")
    fallback = {
        "platform": "lambda",
        "instance_type": "gpu_1x_h100",
        "region": "auto",
        "max_hourly_price": "3.29",
    }
    asked = {"instance_type": "gpu_1x_a10", "region": "us-east-1", "fallbacks": [fallback]}
    deployment = world.until(world.deploy(config=asked))

    tried = [machine.instance_type for machine in world.machines(deployment)]
    assert (deployment.status, tried) == (S.COMPLETED, ["gpu_1x_a10", "gpu_1x_h100"])
    check_end(world.cloud, deployment, exact=True)


# The dead-man: the machine stopped by itself while we were away.


def test_a_run_that_stopped_because_we_were_silent_comes_home_with_its_reason(world: World) -> None:
    told = {"code": "E_CONTROL_SILENT", "message": "Nobody looked.", "remedy": "Look."}
    world.cloud.plan = Plan(exit_at=1800, outcome="stopped", error=told)
    deployment = world.until(world.deploy(), S.TRAINING)
    world.clock.advance(3600)

    world.until(deployment)

    assert deployment.status == S.FAILED
    assert error_code(deployment) == "E_CONTROL_SILENT"
    assert Artifact.objects.filter(deployment=deployment).exists()
    check_end(world.cloud, deployment)
