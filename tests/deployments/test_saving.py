"""Asking for a checkpoint now: a wish on the row, told as an event, refused where it is no use."""

import pytest

from core.errors import ConflictError
from core.models import AuditEntry
from core.time import database_now
from deployments import services
from deployments.models import Deployment
from deployments.models.deployments import Desired, Status
from tests import builders
from tests.deployments.api.calls import Caller

pytestmark = pytest.mark.django_db


def test_a_wish_to_save_stands_on_the_row_and_is_looked_at_now() -> None:
    deployment = builders.make_deployment(status=Status.TRAINING)

    asked = services.save_now(deployment, requested_by=deployment.user)

    assert asked.save_asked_at is not None
    assert asked.next_tick_at is not None
    assert asked.next_tick_at <= database_now()
    assert asked.desired == Desired.RUN
    assert asked.events.get().kind == "save_asked"
    assert AuditEntry.objects.filter(action="deployment.save").count() == 1


@pytest.mark.parametrize("status", [s for s in Status if s != Status.TRAINING])
def test_what_is_not_in_training_has_nothing_to_save(status: Status) -> None:
    deployment = builders.make_deployment(status=status)

    with pytest.raises(ConflictError):
        services.save_now(deployment, requested_by=deployment.user)

    assert Deployment.objects.get().save_asked_at is None
    assert not deployment.events.exists()


def test_a_run_that_is_to_end_saves_by_itself() -> None:
    deployment = builders.make_deployment(status=Status.TRAINING, desired=Desired.STOP)

    with pytest.raises(ConflictError):
        services.save_now(deployment, requested_by=deployment.user)


def test_a_program_may_ask_for_it_too() -> None:
    deployment = builders.make_deployment(status=Status.TRAINING)
    caller = Caller(deployment.user)

    first = caller.post(f"training/jobs/{deployment.job_id}/save")
    second = caller.post(f"training/jobs/{deployment.job_id}/save")

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["deployment_id"] == str(deployment.pk)


def test_a_program_is_told_when_there_is_nothing_to_save() -> None:
    deployment = builders.make_deployment(status=Status.BOOTING)
    undeployed = builders.make_job(deployment.user)
    caller = Caller(deployment.user)

    assert caller.post(f"training/jobs/{deployment.job_id}/save").status_code == 409
    assert caller.post(f"training/jobs/{undeployed.pk}/save").status_code == 409
