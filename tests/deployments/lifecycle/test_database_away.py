"""A database that is away for a moment: whatever was not written is done again (F76)."""

import pytest
from django.db import OperationalError

from deployments.lifecycle.actions import Effect
from deployments.lifecycle.advance import ATTENTION_AFTER, PERFORM, advance
from deployments.lifecycle.lease import Lease
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from deployments.timing import Timing
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.shaky import ShakyDatabase
from tests.deployments.virtual.world import World

# Not inside a transaction of the test's own, which the first error would end.
pytestmark = pytest.mark.django_db(transaction=True)

TIMING = Timing()


@pytest.mark.parametrize("seed", range(6))
def test_F76_a_life_on_a_database_that_fails_now_and_then_ends_as_any_other(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    shaky = ShakyDatabase(monkeypatch)
    shaky.begin(share=0.02, seed=seed)

    deployment = world.until(world.deploy())

    assert deployment.status == Status.COMPLETED
    assert shaky.failures > 3
    assert (deployment.failed_ticks, deployment.attention) == (0, None)
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment)


def test_F76_no_tick_is_counted_as_failed_because_the_database_was_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)

    def away(lease: Lease, machine: Machine | None) -> float:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setitem(PERFORM, Effect.LAUNCH, away)
    for _ in range(ATTENTION_AFTER + 1):
        assert advance(deployment.pk, may_block=True) is None

    deployment.refresh_from_db()
    assert (deployment.status, deployment.failed_ticks) == (Status.LAUNCHING, 0)
    assert (deployment.attention, deployment.error) == (None, None)
    assert deployment.lease_until is None
    assert deployment.next_tick_at == world.clock.in_seconds(TIMING.poll_seconds)


def test_F77_a_lease_that_could_not_be_given_back_ends_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy()

    def away(lease: Lease, **changes: object) -> None:
        raise OperationalError("the database system is shutting down")

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "release", away)
        assert advance(deployment.pk, may_block=True) is None
    deployment.refresh_from_db()
    assert deployment.lease_until is not None
    launched = len(world.cloud.machines)

    ended = world.until(deployment)

    assert ended.status == Status.COMPLETED
    assert len(world.cloud.machines) == launched == 1


def test_F77_without_a_database_there_is_no_tick_and_no_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy()

    def away(*arguments: object, **options: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(Lease, "take", away)

    assert advance(deployment.pk, may_block=True) is None
    assert not world.cloud.machines
    assert Deployment.objects.get(pk=deployment.pk).status == Status.QUEUED
