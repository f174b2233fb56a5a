"""Lives of which a person is told something: alarms, a standstill, a budget that runs out."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from deployments.models import Deployment
from deployments.models.deployments import Status
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World

S = Status
NEVER = 10**7


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.TIMING = replace(QUICK, step_limit_seconds=120)


def error_code(deployment: Deployment) -> str | None:
    return deployment.error["code"] if deployment.error else None


def test_F64_F56_a_key_that_may_not_end_machines_is_an_alarm_at_once(world: World) -> None:
    world.cloud.fail("terminate", *["auth"] * 3)
    deployment = world.until(world.deploy(), lambda each: each.attention is not None)
    told = deployment.attention
    world.until(deployment)

    assert told is not None
    assert told["code"] == "E_AUTH"
    assert world.cloud.machines[0].instance_id in told["remedy"]
    assert deployment.attention is None
    check_end(world.cloud, deployment)


def test_F72_a_price_that_changes_under_a_machine_is_told_and_not_counted(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cloud.machines[0].listed_price = Decimal("9.99")
    world.until(deployment, lambda each: each.attention is not None)
    told = deployment.attention
    world.until(deployment)

    assert told is not None
    assert told["code"] == "E_PRICE_CHANGED"
    check_end(world.cloud, deployment, exact=True)


def test_F21_a_launch_that_starts_another_type_is_replaced_and_billed_as_what_it_is(
    world: World,
) -> None:
    deployment = world.until(world.deploy(budget_limit=Decimal(100)), S.BOOTING)
    wrong = world.cloud.machines[0]
    wrong.instance_type, wrong.hourly_price = "gpu_8x_h100", Decimal("23.92")

    world.until(deployment)

    assert deployment.status == S.COMPLETED
    assert len(world.cloud.machines) == 2
    check_end(world.cloud, deployment, exact=True)


def test_F44_a_run_that_stands_still_is_warned_of_then_saved_and_ended(world: World) -> None:
    world.cloud.plan = Plan(stalls=40, exit_at=NEVER)
    deployment = world.until(world.deploy(), lambda each: each.attention is not None)
    told = deployment.attention
    world.until(deployment)

    assert told is not None
    assert told["code"] == "E_STALLED"
    assert (deployment.status, error_code(deployment)) == (S.FAILED, "E_STALLED")
    assert deployment.artifacts.exists()
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment, exact=True)


def test_F53_a_warning_comes_once_even_over_several_machines(world: World) -> None:
    world.cloud.plan = Plan(exit_at=NEVER, save_seconds=NEVER)
    deployment = world.until(world.deploy(budget_limit=Decimal("1.00")), S.TRAINING)
    world.cloud.machines[0].end()

    world.until(deployment)

    assert deployment.events.filter(kind__startswith="budget_").count() == 1
    assert len(world.cloud.machines) == 2


def test_F57_a_closed_account_ends_its_runs_and_leaves_no_machine(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    User.objects.update(is_active=False)

    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert deployment.artifacts.exists()
    check_end(world.cloud, deployment, exact=True)
