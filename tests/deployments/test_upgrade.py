"""F79: a run that lives through an upgrade, and through one that is only half done."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.test import Client

from deployments.models import Event
from deployments.models.deployments import Status
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import World

pytestmark = [pytest.mark.full, pytest.mark.django_db(transaction=True)]

# The newest one of the version before money and machines were made safe.
BEFORE = "0009_log_lines_by_job"


def migrate(*to: str) -> None:
    call_command("migrate", "deployments", *to, verbosity=0)


@pytest.fixture(autouse=True)
def _newest_tables_afterwards() -> Iterator[None]:
    yield
    migrate()


def test_F79_a_living_run_of_an_earlier_version_is_completed_by_this_one(world: World) -> None:
    deployment = world.until(world.deploy(), Status.TRAINING)
    told = Event.objects.filter(deployment=deployment).count()
    # What the earlier version would have left: its tables, without the columns that came later.
    migrate(BEFORE)
    migrate()

    world.until(deployment)

    assert deployment.status == Status.COMPLETED
    assert Event.objects.filter(deployment=deployment).count() > told
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment)


def test_F79_with_half_of_the_migrations_nothing_is_lost_and_the_rest_goes_on_afterwards(
    world: World, client: Client
) -> None:
    deployment = world.until(world.deploy(), Status.TRAINING)
    migrate(BEFORE)

    # The worker's supervisor logs that, and goes on asking.
    with pytest.raises(DatabaseError):
        world.work_for(300)
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "migrations are not applied" in answer.content.decode()
    assert [machine.lives() for machine in world.cloud.machines] == [True]
    migrate()
    world.until(deployment)
    assert deployment.status == Status.COMPLETED
    assert len(world.cloud.machines) == 1
