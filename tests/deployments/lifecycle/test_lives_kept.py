"""A failed run's machine that is kept for a look: how long, and what ends it before (F24, F53)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.reaper import sweep_account
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World

S = Status

BROKEN = Plan(outcome="failed", has_adapter=False, error={"code": "E_BAD", "message": "Broken."})


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.TIMING = QUICK


def error_code(deployment: Deployment) -> str | None:
    return deployment.error["code"] if deployment.error else None


def kept(world: World, **fields: object) -> Deployment:
    """Return a deployment whose training has failed and whose machine is kept."""
    world.cloud.plan = BROKEN
    values: dict[str, object] = {"keep_on_failure_minutes": 10}
    deployment = world.deploy(**(values | fields))
    return world.until(deployment, lambda d: d.kept_until is not None)


def test_a_failed_runs_machine_is_kept_for_as_long_as_was_asked_and_then_ended(
    world: World,
) -> None:
    deployment = kept(world)
    failed_at = world.clock.now

    world.work_for(9 * 60)
    assert len(world.cloud.live()) == 1
    world.until(deployment)

    assert (deployment.status, error_code(deployment)) == (S.FAILED, "E_BAD")
    ended_at = world.cloud.machines[0].ended_at
    assert ended_at is not None
    assert timedelta(minutes=10) <= ended_at - failed_at < timedelta(minutes=11)
    check_end(world.cloud, deployment, exact=True)


def test_F24_a_stop_ends_a_kept_machine_at_once(world: World) -> None:
    deployment = kept(world)
    asked_at = world.clock.now

    world.cancel(deployment)
    world.until(deployment)

    assert deployment.status == S.FAILED
    assert world.clock.now - asked_at < timedelta(minutes=2)
    check_end(world.cloud, deployment, exact=True)


def test_F53_a_kept_machine_never_lives_past_its_budget(world: World) -> None:
    deployment = kept(world, keep_on_failure_minutes=600, budget_limit=Decimal("0.50"))

    world.until(deployment)

    assert deployment.actual_cost is not None
    assert deployment.actual_cost <= Decimal("0.50")
    assert error_code(deployment) == "E_BAD"
    check_end(world.cloud, deployment, exact=True)


@pytest.mark.parametrize(
    "limit", [{"max_hours": Decimal("0.2")}, {"budget_limit": Decimal("0.35")}]
)
def test_F53_F54_a_run_that_landed_at_its_limit_is_not_kept(
    world: World, limit: dict[str, object]
) -> None:
    world.cloud.plan = Plan(exit_at=10**6)
    deployment = world.deploy(keep_on_failure_minutes=600, **limit)

    world.until(deployment)

    assert (deployment.status, deployment.kept_until) == (S.FAILED, None)
    assert not deployment.events.filter(kind="kept").exists()
    check_end(world.cloud, deployment, exact=True)


def test_a_machine_that_nobody_could_log_in_to_is_not_kept(world: World) -> None:
    world.cloud.boot_seconds = 10**6
    deployment = world.deploy(keep_on_failure_minutes=600, max_attempts=1)

    world.until(deployment)

    assert (deployment.status, deployment.kept_until) == (S.FAILED, None)
    check_end(world.cloud, deployment, exact=True)


def test_F10_the_sweep_ends_a_kept_machine_that_nobody_else_ends(world: World) -> None:
    deployment = kept(world)
    Deployment.objects.update(next_tick_at=None)
    for minutes in (10, 10):
        world.clock.advance(minutes * 60)
        sweep_account(deployment.vault_entry)

    assert not world.cloud.live()
