"""Going on by hand: from a checkpoint that is home, or with the adapter a run has left."""

import shutil
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.errors import ConflictError, InvalidInputError, NotFoundError, SlipwayError
from deployments import checkpoints, earlier_adapters, going_on, services
from deployments.models import Checkpoint, Deployment, TrainingJob
from deployments.models.deployments import Status
from deployments.services import Changes, DeployRequest
from tests import builders
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.world import World

Resume = Callable[..., Deployment]
LONGER = Changes(hyperparameters={"num_train_epochs": 2.0})
BUDGET = DeployRequest(budget_limit=Decimal(10))


@pytest.fixture
def ended(world: World) -> Deployment:
    """Return a run that failed; its machine told of 100 steps."""
    deployment = world.deploy(status=Status.FAILED)
    builders.make_run_state(builders.make_machine(deployment), total_steps=100)
    return deployment


@pytest.fixture
def home(ended: Deployment) -> Checkpoint:
    """Return a checkpoint of it, at step 40, that is home."""
    return builders.make_checkpoint_at_home(ended.machines.get())


@pytest.fixture
def resume(ended: Deployment) -> Resume:
    """Return a function that asks for the run to go on, with 10 USD."""

    def ask(**asked: Any) -> Deployment:
        return services.resume(ended.job, asked.pop("request", BUDGET), **asked)

    return ask


def refusal(ask: Resume, error: type[SlipwayError], **asked: Any) -> SlipwayError:
    """Return the error that a wish is refused with; nothing may be left of it."""
    before = Deployment.objects.count(), TrainingJob.objects.count()
    with pytest.raises(error) as refused:
        ask(**asked)
    assert (Deployment.objects.count(), TrainingJob.objects.count()) == before
    return refused.value


# The same recipe: the job's next deployment.


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.COMPLETED])
def test_a_run_that_is_over_goes_on_as_its_jobs_next_deployment(
    ended: Deployment, home: Checkpoint, resume: Resume, status: str
) -> None:
    Deployment.objects.filter(pk=ended.pk).update(status=status)

    found = resume()

    assert (found.job, found.resume_from) == (ended.job, home)
    assert (found.status, found.platform) == (Status.QUEUED, ended.platform)
    assert found.events.get().message.startswith("Accepted. Goes on from checkpoint 40 of Sums.")
    found.job.refresh_from_db()
    assert (found.job.status, found.job.completed_at) == ("queued", None)
    assert checkpoints.to_go_on_from(found) == home


def test_the_newest_whole_checkpoint_at_home_is_taken_and_a_named_one_before_it(
    ended: Deployment, home: Checkpoint, resume: Resume
) -> None:
    machine = ended.machines.get()
    later = builders.NOON.replace(hour=13)
    newest = builders.make_checkpoint_at_home(machine, step=60, at=later)
    damaged = builders.make_checkpoint_at_home(machine, step=80, at=later.replace(hour=14))
    (checkpoints.folder_of(damaged) / "optimizer.pt").write_bytes(b"other bytes")

    assert resume().resume_from == newest
    Deployment.objects.filter(resume_from=newest).update(status=Status.CANCELLED)
    assert resume(checkpoint_id=str(home.pk)).resume_from == home


def test_what_is_left_is_what_time_and_money_are_reckoned_for(
    home: Checkpoint, ended: Deployment
) -> None:
    training = going_on.training_of(ended.job, Changes())

    left = going_on.from_checkpoint(ended.user, training, str(home.pk)).still_to_do

    assert left["hyperparameters"]["max_steps"] == 60


def test_one_deployment_of_a_job_lives_at_a_time(
    ended: Deployment, home: Checkpoint, resume: Resume
) -> None:
    resume()

    error = refusal(resume, ConflictError)

    assert error.code == "E_RUN_LIVES"
    assert ended.job.deployments.count() == 2


def test_a_setting_that_came_with_a_newer_version_has_its_default(
    ended: Deployment, home: Checkpoint, resume: Resume
) -> None:
    job = ended.job
    del job.config["hyperparameters"]["weight_decay"], job.config["eval"]["samples"]
    job.save()

    found = resume()

    assert found.job == job
    assert found.config["hyperparameters"] == {"weight_decay": 0.0}


# With changes: a job of its own.


def test_more_epochs_make_a_new_job_that_begins_at_the_checkpoint(
    ended: Deployment, home: Checkpoint, resume: Resume
) -> None:
    found = resume(changes=LONGER, request=DeployRequest(budget_limit=Decimal(9), name="Longer"))

    assert found.job != ended.job
    assert (found.job.name, found.resume_from, found.budget_limit) == ("Longer", home, Decimal(9))
    was, now = ended.job.config, found.job.config
    assert now == {**was, "hyperparameters": {**was["hyperparameters"], "num_train_epochs": 2.0}}
    assert (found.job.dataset, found.job.dataset_sha256) == (
        ended.job.dataset,
        ended.job.dataset_sha256,
    )


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("hyperparameters", "lora_r", 16),
        ("hyperparameters", "lora_alpha", 64),
        ("hyperparameters", "target_modules", ["q_proj"]),
        ("hyperparameters", "learning_rate", 1e-5),
        ("hyperparameters", "per_device_train_batch_size", 1),
        ("hyperparameters", "seed", 7),
        ("eval", "share", 0.2),
    ],
)
def test_what_the_first_step_decided_may_not_change_and_is_named(
    home: Checkpoint, resume: Resume, part: str, name: str, value: object
) -> None:
    error = refusal(resume, InvalidInputError, changes=Changes(**{part: {name: value}}))

    assert error.param == f"{part}.{name}"
    assert "max_steps" in error.remedy


def test_an_unknown_setting_is_refused_as_everywhere(home: Checkpoint, resume: Resume) -> None:
    error = refusal(resume, InvalidInputError, changes=Changes({"epochs": 3}))

    assert error.param == "hyperparameters.epochs"


@pytest.mark.parametrize("changes", [{"max_steps": 40}, {"max_steps": 12}])
def test_a_run_with_nothing_left_to_train_is_refused(
    home: Checkpoint, resume: Resume, changes: dict[str, Any]
) -> None:
    error = refusal(resume, InvalidInputError, changes=Changes(changes))

    assert (error.code, error.param) == ("E_NOTHING_LEFT", "hyperparameters.max_steps")


def test_a_completed_run_needs_more_steps_or_epochs(ended: Deployment, resume: Resume) -> None:
    builders.make_checkpoint_at_home(ended.machines.get(), step=100)

    error = refusal(resume, InvalidInputError)

    assert (error.code, error.param) == ("E_NOTHING_LEFT", "hyperparameters.num_train_epochs")
    assert resume(changes=LONGER).job != ended.job


# No checkpoint.


def test_without_a_checkpoint_at_home_there_is_nothing_to_go_on_from(
    ended: Deployment, resume: Resume
) -> None:
    builders.make_checkpoint(ended.machines.get(), step=40)

    assert refusal(resume, ConflictError).code == "E_NO_CHECKPOINT"


def test_a_named_checkpoint_that_is_not_home_says_why_and_which_one_is(
    ended: Deployment, home: Checkpoint, resume: Resume
) -> None:
    left = builders.make_checkpoint(ended.machines.get(), step=50, left_because="It is too large.")

    error = refusal(resume, ConflictError, checkpoint_id=str(left.pk))

    assert error.code == "E_NO_CHECKPOINT"
    assert "It is too large." in error.message
    assert "checkpoint 40" in error.remedy


def test_a_checkpoint_that_is_no_longer_whole_is_refused_before_any_spending(
    home: Checkpoint, resume: Resume
) -> None:
    shutil.rmtree(checkpoints.folder_of(home))

    assert refusal(resume, ConflictError, checkpoint_id=str(home.pk)).code == "E_CHECKPOINT"
    assert refusal(resume, ConflictError).code == "E_NO_CHECKPOINT"


def test_I18_nobody_goes_on_from_somebody_elses_run(home: Checkpoint, resume: Resume) -> None:
    theirs = builders.make_checkpoint_at_home()

    for named in (theirs.pk, theirs.job_id, "nothing"):
        refusal(resume, NotFoundError, checkpoint_id=str(named))


def test_data_that_changed_is_refused(ended: Deployment, home: Checkpoint, resume: Resume) -> None:
    TrainingJob.objects.filter(pk=ended.job_id).update(dataset_sha256="0" * 64)
    ended.job.refresh_from_db()

    assert refusal(resume, InvalidInputError).param == "dataset_id"


def test_a_checkpoint_stays_home_while_a_living_run_may_need_it(
    ended: Deployment, home: Checkpoint, resume: Resume
) -> None:
    fork = resume(changes=LONGER)
    for step in (50, 60, 70):
        later = builders.NOON.replace(minute=step - 30)
        builders.make_checkpoint_at_home(ended.machines.get(), step=step, at=later)

    checkpoints.drop_older(ended.job_id)

    assert [row.step for row in checkpoints.at_home(ended.job_id)] == [70, 60, 40]
    Deployment.objects.filter(pk=fork.pk).update(status=Status.COMPLETED)
    checkpoints.drop_older(ended.job_id)
    assert [row.step for row in checkpoints.at_home(ended.job_id)] == [70, 60]


# With an earlier adapter.


def deployed(ended: Deployment, adapter_from: object, **choices: Any) -> Deployment:
    config = builders.make_config(
        ended.user, name="Next", **{"base_model": ended.job.model_name} | choices
    )
    request = DeployRequest(
        training_config_id=str(config.pk),
        budget_limit=Decimal(10),
        adapter_from=str(adapter_from),
    )
    return services.deploy(ended.user, "lambda", request)


def test_a_new_run_starts_from_a_copy_of_an_earlier_adapter(
    ended: Deployment, home: Checkpoint
) -> None:
    found = deployed(ended, home.pk, hyperparameters={"learning_rate": 1e-5, "seed": 1})

    kept = found.job.config["adapter"]
    assert (kept["from"], kept["name"]) == (str(home.pk), "Sums at step 40")
    assert found.resume_from is None
    names = {
        path.name: path.read_bytes() for path, _ in earlier_adapters.files_of(found.job.config)
    }
    assert names == {
        "adapter_model.safetensors": b"weights of step 40",
        "adapter_config.json": b"{}",
    }
    assert earlier_adapters.is_whole(found.job.config)
    assert found.events.get().message.startswith("Accepted. Starts from the adapter of Sums")


def test_a_jobs_id_names_its_newest_adapter(ended: Deployment, home: Checkpoint) -> None:
    assert deployed(ended, ended.job_id).job.config["adapter"]["from"] == str(home.pk)


@pytest.mark.parametrize(
    ("choices", "param"),
    [
        ({"base_model": "example/other"}, "base_model"),
        ({"hyperparameters": {"lora_r": 16}}, "hyperparameters.lora_r"),
        ({"hyperparameters": {"lora_alpha": 8}}, "hyperparameters.lora_alpha"),
        ({"hyperparameters": {"target_modules": ["q_proj"]}}, "hyperparameters.target_modules"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_by_name(
    ended: Deployment, home: Checkpoint, choices: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        deployed(ended, home.pk, **choices)

    assert refused.value.param == param
    assert "Sums at step 40" in refused.value.message


def test_an_adapter_that_is_damaged_at_home_leaves_nothing_behind(
    ended: Deployment, home: Checkpoint
) -> None:
    checkpoints.archive_of(home).write_bytes(b"no archive")

    with pytest.raises(ConflictError) as refused:
        deployed(ended, home.pk)

    assert refused.value.code == "E_CHECKPOINT"
    assert list(earlier_adapters.folder_of(ended.job_id).parent.glob("*")) == []


def test_one_does_not_go_on_and_start_anew_at_once(ended: Deployment, home: Checkpoint) -> None:
    config = builders.make_config(ended.user)
    request = DeployRequest(
        training_config_id=str(config.pk),
        budget_limit=Decimal(10),
        resume_from=str(home.pk),
        adapter_from=str(home.pk),
    )

    with pytest.raises(InvalidInputError) as refused:
        services.deploy(ended.user, "lambda", request)

    assert refused.value.param == "adapter_from"


# Whole lives.


def cancelled_in_training(world: World) -> tuple[Deployment, Checkpoint]:
    """Return a run that was cancelled with a checkpoint at home."""
    world.cloud.plan = Plan(save_steps=2, exit_at=600)
    first = world.until(world.deploy(), lambda d: checkpoints.at_home(d.job_id).exists())
    world.cancel(first, save=False)
    world.until(first)
    assert first.status == Status.CANCELLED
    return first, checkpoints.at_home(first.job_id)[0]


def test_a_run_that_was_cancelled_is_gone_on_with_to_its_end(world: World) -> None:
    first, home = cancelled_in_training(world)

    second = services.resume(first.job, BUDGET)
    world.until(second)

    assert second.status == Status.COMPLETED
    began = [m.agent.from_step for m in world.cloud.machines if m.agent is not None]
    assert began == [0, home.step]
    losses = first.job.metrics.filter(name="train/loss")
    by = dict(losses.values_list("step", "machine__deployment"))
    assert {by[step] for step in range(home.step + 1, max(by) + 1)} == {second.pk}
    first.job.refresh_from_db()
    assert first.job.status == Status.COMPLETED


def test_a_run_never_begins_anew_where_its_checkpoint_was_lost_at_home(world: World) -> None:
    first, home = cancelled_in_training(world)
    second = services.resume(first.job, BUDGET)
    shutil.rmtree(checkpoints.folder_of(home).parent)

    world.until(second)

    assert second.status == Status.FAILED
    assert second.error is not None
    assert second.error["code"] == "E_CHECKPOINT"
    assert len(world.cloud.agents_started) == 1
