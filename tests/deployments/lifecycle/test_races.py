"""Several workers on one deployment, each with a real connection of its own (D5, F20)."""

from datetime import timedelta

import pytest

from core.time import database_now
from deployments import services, snapshot
from deployments.lifecycle.advance import advance
from deployments.lifecycle.lease import Lease
from deployments.models import CloudSnapshot, Deployment
from deployments.models.deployments import Desired, Status
from tests import builders
from tests.deployments.lifecycle.threads import at_once
from tests.deployments.virtual.acting import with_machine
from tests.deployments.virtual.world import World

pytestmark = pytest.mark.django_db(transaction=True)


def take(deployment: Deployment, *, purpose: str = "tick") -> Lease | None:
    return Lease.take(deployment.pk, purpose=purpose, seconds=50)


def ask_to_stop(deployment: Deployment, *, save: bool) -> None:
    services.cancel(deployment, requested_by=deployment.user, save=save)


def test_D5_F20_of_many_that_want_the_lease_one_gets_it() -> None:
    deployment = builders.make_deployment()

    leases = at_once(6, lambda: take(deployment))

    assert sum(lease is not None for lease in leases) == 1
    deployment.refresh_from_db()
    assert deployment.version == 1


def test_D5_of_many_that_take_over_a_stopped_deployment_one_gets_it() -> None:
    deployment = builders.make_deployment(status=Status.PREPARING)
    take(deployment, purpose="ssh")
    ask_to_stop(deployment, save=False)

    leases = at_once(6, lambda: take(deployment))

    assert sum(lease is not None for lease in leases) == 1


def test_F24_a_stop_is_never_lost_between_a_look_and_its_rest() -> None:
    deployment = builders.make_deployment(status=Status.WAITING_FOR_CAPACITY)
    far = database_now() + timedelta(hours=1)

    def look_or_stop() -> None:
        lease = take(deployment)
        if lease is None:
            ask_to_stop(deployment, save=True)
        else:
            lease.release(next_tick_at=far)

    at_once(6, look_or_stop)
    ask_to_stop(deployment, save=True)

    deployment.refresh_from_db()
    assert deployment.desired == Desired.STOP
    assert deployment.next_tick_at is not None
    assert deployment.next_tick_at < far


def test_F20_I3_several_workers_at_once_rent_one_machine(world: World) -> None:
    deployment = world.deploy()

    for _ in range(3):
        at_once(4, lambda: advance(deployment.pk, may_block=True))

    assert len(world.cloud.machines) == 1
    assert [machine.attempt for machine in world.machines(deployment)] == [1]
    deployment.refresh_from_db()
    assert deployment.status == Status.BOOTING


def test_D4_several_listers_at_once_count_an_absence_once_for_each_list(world: World) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.TRAINING)
    at_cloud.end()

    at_once(4, lambda: snapshot.list_cloud(deployment.vault_entry_id))

    machine.refresh_from_db()
    good_lists = CloudSnapshot.objects.get().good_lists
    assert 1 <= machine.absent_lists == good_lists <= 4
