"""Jobs and what belongs to them: stories, checkpoints, artifacts, and the way to stop."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from deployments.models.deployments import Desired, Status
from tests.builders import (
    NOON,
    make_artifact,
    make_checkpoint,
    make_deployment,
    make_event,
    make_job,
    make_machine,
    make_run_state,
    make_user,
)
from tests.deployments.api.calls import SIGN_IN_QUERIES, Caller, error_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


def test_a_job_shows_its_recipe_and_its_newest_deployment(user: User) -> None:
    job = make_job(user, status=Status.TRAINING)
    first = make_deployment(job=job, status=Status.FAILED)
    second = make_deployment(job=job, status=Status.TRAINING, created_at=NOON + timedelta(hours=1))
    make_run_state(make_machine(second), phase="train", step=3, total_steps=12)

    answer = Caller(user).read(f"training/jobs/{job.pk}")

    assert answer["id"] == str(job.pk)
    assert (answer["status"], answer["phase"]) == ("training", "train")
    assert answer["deployment_id"] == str(second.pk)
    assert answer["deployment_ids"] == [str(second.pk), str(first.pk)]
    assert answer["dataset_sha256"] == job.dataset.normalised_sha256
    assert answer["config"]["hyperparameters"]["lora_r"] == 8
    assert answer["progress"]["percent"] == 25.0
    assert answer["cost"]["hourly"] == "1.29"
    assert answer["url"] == f"http://testserver/jobs/{job.pk}/"


def test_a_job_that_was_never_deployed_says_so(user: User) -> None:
    job = make_job(user)
    caller = Caller(user)

    answer = caller.read(f"training/jobs/{job.pk}")
    stop = caller.post(f"training/jobs/{job.pk}/stop")

    assert answer["deployment_id"] is None
    assert answer["deployment_ids"] == []
    assert answer["cost"] is answer["phase"] is answer["progress"] is answer["url"] is None
    assert error_of(stop, status=409)["code"] == "E_CONFLICT"


def test_jobs_are_listed_newest_first_and_only_ones_own(user: User) -> None:
    older, newer = make_deployment(user).job, make_deployment(user).job
    make_deployment()

    answer = Caller(user).read("training/jobs")

    assert [row["id"] for row in answer["data"]] == [str(newer.pk), str(older.pk)]


def test_the_list_takes_the_same_queries_however_long_it_is(user: User) -> None:
    caller = Caller(user)
    make_run_state(make_machine(make_deployment(user)))
    few = caller.queries_of("training/jobs")

    for _ in range(5):
        deployment = make_deployment(user)
        make_deployment(job=deployment.job)
        make_run_state(make_machine(deployment))

    assert caller.queries_of("training/jobs") == few <= SIGN_IN_QUERIES + 6


def test_stopping_a_job_stops_its_newest_deployment(user: User) -> None:
    old = make_deployment(user)
    new = make_deployment(job=old.job, created_at=NOON + timedelta(hours=1))
    caller = Caller(user)

    first = caller.post(f"training/jobs/{old.job_id}/stop")
    second = caller.post(f"training/jobs/{old.job_id}/stop?save=false")

    assert first.status_code == second.status_code == 202
    assert first.json()["deployment_id"] == str(new.pk)
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.desired, new.desired) == (Desired.RUN, Desired.STOP)
    assert new.save_wanted is False


def test_stopping_a_job_that_is_over_changes_nothing(user: User) -> None:
    over = make_deployment(user, status=Status.COMPLETED)

    response = Caller(user).post(f"training/jobs/{over.job_id}/stop")

    assert response.status_code == 202
    assert response.json()["status"] == "completed"
    over.refresh_from_db()
    assert over.desired == Desired.RUN


def test_events_of_all_deployments_come_newest_first_and_page_by_page(user: User) -> None:
    deployment = make_deployment(user)
    machine = make_machine(deployment)
    for second in range(3):
        make_event(
            deployment, machine=machine, message=str(second), at=NOON + timedelta(seconds=second)
        )
    make_event(make_deployment(job=deployment.job), message="later", at=NOON + timedelta(days=1))
    caller = Caller(user)
    path = f"training/jobs/{deployment.job_id}/events"

    first = caller.read(f"{path}?limit=3")
    second = caller.read(f"{path}?limit=3&after={first['data'][-1]['id']}")

    assert [event["message"] for event in first["data"]] == ["later", "2", "1"]
    assert first["data"][1]["machine"] == machine.name
    assert first["data"][0]["machine"] is None
    assert [event["message"] for event in second["data"]] == ["0"]
    assert (first["has_more"], second["has_more"]) == (True, False)


def test_checkpoints_and_artifacts_are_listed_newest_first(user: User) -> None:
    machine = make_machine(make_deployment(user))
    files = [{"name": "adapter_model.safetensors", "size": 9, "sha256": "0" * 64}]
    make_checkpoint(machine, step=10)
    make_checkpoint(machine, step=20, at=NOON + timedelta(minutes=1), files=files)
    artifact = make_artifact(machine, files=files)
    caller = Caller(user)
    job = f"training/jobs/{machine.deployment.job_id}"

    checkpoints = caller.read(f"{job}/checkpoints")["data"]
    artifacts = caller.read(f"{job}/artifacts")["data"]

    assert [checkpoint["step"] for checkpoint in checkpoints] == [20, 10]
    assert checkpoints[0]["files"] == files
    assert checkpoints[0]["machine"] == machine.name
    assert [shown["id"] for shown in artifacts] == [str(artifact.pk)]
    assert artifacts[0]["sha256"] == artifact.sha256
    assert artifacts[0]["files"] == files
    assert "path" not in artifacts[0]


@pytest.mark.parametrize("what", ["events", "checkpoints", "artifacts", "logs", "metrics"])
def test_every_list_of_a_job_takes_the_same_queries_however_long_it_is(
    user: User, what: str
) -> None:
    machine = make_machine(make_deployment(user))
    caller = Caller(user)
    path = f"training/jobs/{machine.deployment.job_id}/{what}"
    few = caller.queries_of(path)

    for _ in range(4):
        other = make_machine(machine.deployment)
        make_event(machine.deployment, machine=other)
        make_checkpoint(other)
        make_artifact(other)

    assert caller.queries_of(path) == few <= SIGN_IN_QUERIES + 4


@pytest.mark.parametrize("what", ["", "/events", "/checkpoints", "/artifacts", "/logs", "/metrics"])
@pytest.mark.parametrize("job_id", ["0b6f5a2e-7d0c-4f7e-9a4e-5f3c1f6f2d11", "nothing", "1"])
def test_an_unknown_job_is_not_found(user: User, job_id: str, what: str) -> None:
    response = Caller(user).get(f"training/jobs/{job_id}{what}")

    assert error_of(response, status=404)["code"] == "E_NOT_FOUND"
