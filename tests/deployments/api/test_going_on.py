"""Going on over REST: resume, clone, an earlier adapter, a checkpoint's download, the samples."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from deployments import checkpoints, sample_rows
from deployments.models import Checkpoint, Deployment, TrainingConfig, TrainingJob
from deployments.models.deployments import Status
from tests.builders import (
    NOON,
    make_checkpoint,
    make_checkpoint_at_home,
    make_config,
    make_deployment,
    make_machine,
    make_run_state,
    make_user,
)
from tests.deployments.api.calls import SHORT, Caller, error_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cloud")]


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def home(user: User) -> Checkpoint:
    """Return a checkpoint at home, at step 40 of 100, of a run that failed."""
    machine = make_machine(make_deployment(user, status=Status.FAILED))
    make_run_state(machine, total_steps=100)
    return make_checkpoint_at_home(machine)


def resumed(user: User, job_id: object, body: Mapping[str, Any], **headers: str) -> Any:
    path = f"training/jobs/{job_id}/resume"
    return Caller(user).call("POST", path, dict(body), **headers)


def test_a_run_goes_on_with_a_budget_alone(user: User, home: Checkpoint) -> None:
    response = resumed(user, home.job_id, {"budget_limit": "4.00"})

    assert response.status_code == 202
    answer = response.json()
    assert set(answer) == SHORT
    assert (answer["job_id"], answer["resume_from"]) == (str(home.job_id), str(home.pk))
    assert (answer["status"], answer["cost"]["budget_limit"]) == ("queued", "4.00")
    assert Deployment.objects.filter(job=home.job).count() == 2


def test_machine_checkpoint_and_changes_are_taken(user: User, home: Checkpoint) -> None:
    body = {
        "platform": "lambda",
        "checkpoint_id": str(home.pk),
        "instance_type": "gpu_1x_a10",
        "region": "us-west-1",
        "budget_limit": "4.00",
        "name": "Longer",
        "hyperparameters": {"max_steps": 200, "save_steps": 50},
        "eval": {"samples": 0},
    }

    response = resumed(user, home.job_id, body)

    assert response.status_code == 202
    found = Deployment.objects.get(pk=response.json()["deployment_id"])
    assert (found.job.name, found.config["region"]) == ("Longer", "us-west-1")
    assert found.job.config["hyperparameters"]["max_steps"] == 200
    assert found.job.config["eval"]["samples"] == 0


def test_F1_a_repeat_under_the_same_key_starts_nothing_more(user: User, home: Checkpoint) -> None:
    body, key = {"budget_limit": "4.00", "hyperparameters": {"max_steps": 200}}, str(uuid4())

    first, again = (resumed(user, home.job_id, body, **{"Idempotency-Key": key}) for _ in range(2))

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Deployment.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"hyperparameters": {"lora_r": 16}}, 400, "E_INVALID", "hyperparameters.lora_r"),
        (
            {"hyperparameters": {"max_steps": 40}},
            400,
            "E_NOTHING_LEFT",
            "hyperparameters.max_steps",
        ),
        ({"eval": {"share": 0.3}}, 400, "E_INVALID", "eval.share"),
        ({"training_config_id": "x"}, 400, "E_INVALID", "training_config_id"),
        ({"platform": "nowhere"}, 400, "E_INVALID", None),
        ({"checkpoint_id": "0" * 32}, 404, "E_NOT_FOUND", None),
        ({"budget_limit": None}, 400, "E_INVALID", "budget_limit"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_starts_nothing(
    user: User,
    home: Checkpoint,
    body: dict[str, Any],
    status: int,
    code: str,
    param: str | None,
) -> None:
    response = resumed(user, home.job_id, {"budget_limit": "4.00", **body})

    error = error_of(response, status=status)
    assert error["code"] == code
    assert param is None or error["param"] == param
    assert Deployment.objects.count() == 1


def test_a_run_without_a_checkpoint_at_home_is_a_conflict_with_a_remedy(user: User) -> None:
    machine = make_machine(make_deployment(user, status=Status.CANCELLED))
    make_checkpoint(machine)

    response = resumed(user, machine.deployment.job_id, {"budget_limit": "4.00"})

    error = error_of(response, status=409)
    assert error["code"] == "E_NO_CHECKPOINT"
    assert error["remedy"]


def test_a_run_that_lives_is_a_conflict(user: User, home: Checkpoint) -> None:
    Deployment.objects.update(status=Status.TRAINING)

    response = resumed(user, home.job_id, {"budget_limit": "4.00"})

    assert error_of(response, status=409)["code"] == "E_RUN_LIVES"


def test_I18_nobody_resumes_clones_or_reads_what_is_not_theirs(home: Checkpoint) -> None:
    stranger = Caller(make_user())
    job = f"training/jobs/{home.job_id}"

    for path in (f"{job}/resume", f"{job}/clone"):
        assert error_of(stranger.post(path), status=404)["code"] == "E_NOT_FOUND"
    for path in (f"{job}/samples", f"checkpoints/{home.pk}/download"):
        assert error_of(stranger.get(path), status=404)["code"] == "E_NOT_FOUND"


@pytest.mark.parametrize("named", ["job", "checkpoint"])
def test_deploy_goes_on_from_a_job_or_a_checkpoint(
    user: User, home: Checkpoint, named: str
) -> None:
    body = {
        "training_config_id": str(home.job.training_config_id),
        "budget_limit": "4.00",
        "resume_from": str(home.job_id if named == "job" else home.pk),
    }

    response = Caller(user).post("training/deploy/lambda", body)

    assert response.status_code == 202
    assert response.json()["job_id"] == str(home.job_id)
    assert response.json()["resume_from"] == str(home.pk)


def test_deploy_with_another_recipe_than_the_checkpoints_names_what_differs(
    user: User, home: Checkpoint
) -> None:
    config = make_config(user, dataset=home.job.dataset, hyperparameters={"lora_alpha": 99})
    body = {
        "training_config_id": str(config.pk),
        "budget_limit": "4.00",
        "resume_from": str(home.pk),
    }

    error = error_of(Caller(user).post("training/deploy/lambda", body), status=400)

    assert error["param"] == "hyperparameters.lora_alpha"


def test_deploy_starts_from_an_earlier_adapter(user: User, home: Checkpoint) -> None:
    config = make_config(user, base_model=home.job.model_name)
    body = {
        "training_config_id": str(config.pk),
        "budget_limit": "4.00",
        "adapter_from": str(home.pk),
    }

    response = Caller(user).post("training/deploy/lambda", body)

    assert response.status_code == 202
    job = TrainingJob.objects.get(pk=response.json()["job_id"])
    assert job.config["adapter"]["from"] == str(home.pk)
    assert response.json()["resume_from"] is None


def test_a_clone_is_a_config_of_its_own_with_what_was_changed(user: User, home: Checkpoint) -> None:
    body = {"name": "Again", "hyperparameters": {"lora_r": 64}, "budget_limit": "3.00"}

    response = Caller(user).post(f"training/jobs/{home.job_id}/clone", body)

    assert response.status_code == 201
    config = TrainingConfig.objects.get(pk=response.json()["id"])
    assert (config.name, config.budget_limit) == ("Again", Decimal("3.00"))
    was = home.job.config["hyperparameters"]
    assert config.hyperparameters == {**was, "lora_r": 64}
    assert config.eval == home.job.config["eval"]
    assert config.dataset == home.job.dataset
    assert Deployment.objects.count() == 1


def test_a_clone_with_an_unknown_setting_is_refused(user: User, home: Checkpoint) -> None:
    body = {"hyperparameters": {"rank": 8}}

    response = Caller(user).post(f"training/jobs/{home.job_id}/clone", body)

    assert error_of(response, status=400)["param"] == "hyperparameters.rank"


def test_a_checkpoint_at_home_is_listed_with_its_download_and_comes_by_ranges(
    user: User, home: Checkpoint
) -> None:
    make_checkpoint(home.machine, step=50, left_because="It is too large.", at=NOON)
    caller = Caller(user)

    listed = caller.read(f"training/jobs/{home.job_id}/checkpoints")["data"]
    by_step = {each["step"]: each for each in listed}
    path = f"checkpoints/{home.pk}/download"
    whole, part = caller.get(path), caller.get(path, Range="bytes=10-")

    assert by_step[40]["home_at"] is not None
    assert by_step[40]["download_url"] == f"http://testserver/api/{path}"
    assert (by_step[50]["home_at"], by_step[50]["download_url"]) == (None, None)
    assert by_step[50]["left_because"] == "It is too large."
    content = checkpoints.archive_of(home).read_bytes()
    assert (whole.getvalue(), part.getvalue()) == (content, content[10:])
    assert part.status_code == 206
    assert whole.headers["ETag"] == f'"{home.home_sha256}"'
    assert 'filename="sums-checkpoint-40.tar.gz"' in whole.headers["Content-Disposition"]


def test_a_checkpoint_that_is_not_home_cannot_be_downloaded(user: User) -> None:
    there = make_checkpoint(make_machine(make_deployment(user)))

    response = Caller(user).get(f"checkpoints/{there.pk}/download")

    assert error_of(response, status=404)["code"] == "E_ARTIFACT_MISSING"


def test_samples_are_the_prompts_with_every_answer(user: User, home: Checkpoint) -> None:
    asked = {"prompt": "2 + 2?", "reference": "4", "base": "Two."}
    sample_rows.keep(home.machine, number=0, step=None, told=asked, at=NOON)
    for step, answer in ((10, "5"), (20, "4")):
        sample_rows.keep(home.machine, number=0, step=step, told={"answer": answer}, at=NOON)

    answer = Caller(user).read(f"training/jobs/{home.job_id}/samples")

    (found,) = answer["data"]
    assert answer["has_more"] is False
    assert {name: found[name] for name in asked} == asked
    assert [(each["step"], each["answer"]) for each in found["answers"]] == [(10, "5"), (20, "4")]
