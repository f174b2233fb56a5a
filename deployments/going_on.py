"""What a person goes on with: a checkpoint of an earlier run, or the adapter it has left."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet

from core.errors import ConflictError, InvalidInputError
from core.lookups import get_owned
from deployments import checkpoints, earlier_adapters, recipes, resuming
from deployments.accepting import Training, still_runs
from deployments.earlier_adapters import Adapter
from deployments.models import Artifact, Checkpoint, RunState, TrainingJob
from deployments.models.deployments import LIVING


@dataclass(frozen=True)
class Changes:
    """What is to be otherwise than in the run that is gone on with."""

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    eval: Mapping[str, Any] = field(default_factory=dict)


def as_asked(user: User, training: Training, *, resume_from: str, adapter_from: str) -> Training:
    """Return a new training as it goes on with what is named; raises what ``from_...`` do."""
    if resume_from and adapter_from:
        raise InvalidInputError(
            "A run goes on from a checkpoint or starts from an adapter, not both.",
            remedy="Give resume_from or adapter_from.",
            param="adapter_from",
        )
    if resume_from:
        return from_checkpoint(user, training, resume_from)
    return from_adapter(user, training, adapter_from) if adapter_from else training


def training_of(job: TrainingJob, changes: Changes, *, name: str = "") -> Training:
    """Return an earlier job's training with these changes, every default filled in."""
    recipe = whole_recipe(job, changes)
    return Training(
        name=name or job.name,
        model_name=job.model_name,
        dataset=job.dataset,
        recipe=recipe,
        config=job.training_config,
    )


def whole_recipe(job: TrainingJob, changes: Changes | None = None) -> dict[str, Any]:
    """Return a job's recipe with these changes; what an earlier version left out has its default.

    Raises: InvalidInputError naming the setting and what is allowed.
    """
    wanted = changes or Changes()
    filled = recipes.freeze(
        method=job.config["method"],
        base_model=job.model_name,
        hyperparameters={**job.config["hyperparameters"], **wanted.hyperparameters},
        evaluation={**job.config["eval"], **wanted.eval},
        export=job.config.get("export"),
    )
    # What was found out since, such as the rows held back, stays as it was found.
    return {**job.config, **{part: filled[part] for part in resuming.PARTS}}


def longer(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with one epoch more, or twice its steps: what a run at its end may become."""
    settings = dict(recipe["hyperparameters"])
    if settings["max_steps"] is not None:
        settings["max_steps"] *= 2
    else:
        settings["num_train_epochs"] += 1
    return {**recipe, "hyperparameters": settings}


def from_checkpoint(
    user: User, training: Training, named: str, *, new_job_id: UUID | None = None
) -> Training:
    """Return a training as it goes on from the checkpoint, or the job's newest, with that id."""
    checkpoint = find_checkpoint(user, named)
    job = checkpoint.job
    before = whole_recipe(job)
    resuming.check_changes(before, training.recipe)
    _check_data(job, training)
    steps = resuming.total_steps(before, training.recipe, told=steps_told(checkpoint))
    _check_left(checkpoint, steps, training.recipe)
    training = replace(training, checkpoint=checkpoint, steps=steps)
    if not resuming.is_same(before, training.recipe):
        recipe = {**job.config, **{part: training.recipe[part] for part in resuming.PARTS}}
        return replace(training, recipe=recipe, new_job_id=new_job_id)
    if job.deployments.filter(status__in=LIVING).exists():
        raise still_runs(job)
    kept = job.config["hyperparameters"]
    added = {name: value for name, value in before["hyperparameters"].items() if name not in kept}
    return replace(training, job=job, added=added)


def find_checkpoint(user: User, named: str) -> Checkpoint:
    """Return the checkpoint with this id, or the newest whole one of the job with this id.

    Raises: NotFoundError for other people's and unknown ids; ConflictError when it is not home
    (E_NO_CHECKPOINT), or is no longer what came home (E_CHECKPOINT).
    """
    mine = Checkpoint.objects.select_related("machine", "job__dataset").filter(job__user=user)
    found = mine.filter(pk=_uuid(named)).first()
    if found is None:
        job = get_owned(TrainingJob, user, named)
        found = next(filter(checkpoints.is_whole, checkpoints.at_home(job.pk)), None)
        if found is None:
            raise _none_at_home(job)
        return mine.get(pk=found.pk)
    if found.home_at is None:
        raise _not_at_home(found)
    if not checkpoints.is_whole(found):
        raise ConflictError(
            f"Checkpoint {found.step} is not whole at home any more. Nothing was started.",
            remedy="Go on from another one, or put the data folder back from a backup.",
            code="E_CHECKPOINT",
        )
    return found


def from_adapter(user: User, training: Training, named: str) -> Training:
    """Return a new training that starts from an adapter that is home and fits."""
    adapter = find_adapter(user, named)
    earlier_adapters.check_fits(adapter, model_name=training.model_name, recipe=training.recipe)
    return replace(training, adapter=adapter)


def find_adapter(user: User, named: str) -> Adapter:
    """Return the adapter of the artifact or checkpoint with this id, or the job's newest.

    Whether its file is whole is seen once it is copied.
    Raises: NotFoundError for other people's and unknown ids; ConflictError (E_NO_CHECKPOINT) when
    nothing of it is home.
    """
    pk = _uuid(named)
    kept = Artifact.objects.select_related("job").filter(job__user=user, kind=earlier_adapters.KIND)
    artifact = kept.filter(pk=pk).first() or kept.filter(job=pk).order_by("-saved_at").first()
    if artifact is not None:
        return earlier_adapters.of_artifact(artifact)
    mine = Checkpoint.objects.select_related("job").filter(job__user=user)
    checkpoint = mine.filter(pk=pk).first() or _newest(mine.filter(job=pk))
    if checkpoint is not None and checkpoint.home_at is None:
        raise _not_at_home(checkpoint)
    if checkpoint is not None:
        return earlier_adapters.of_checkpoint(checkpoint)
    raise _none_at_home(get_owned(TrainingJob, user, named))


def _newest(rows: QuerySet[Checkpoint]) -> Checkpoint | None:
    return rows.filter(home_at__isnull=False).order_by(*checkpoints.NEWEST_FIRST).first()


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        # That of nothing.
        return UUID(int=0)


def steps_told(checkpoint: Checkpoint) -> int | None:
    """Return how many steps the machine of a checkpoint said that its run has."""
    run = RunState.objects.filter(machine=checkpoint.machine_id).first()
    return run.total_steps if run else None


def _check_data(job: TrainingJob, training: Training) -> None:
    same = training.dataset.pk == job.dataset_id
    if same and training.dataset.normalised_sha256 == job.dataset_sha256:
        return
    raise InvalidInputError(
        "The data is not that of the run that is gone on with: a checkpoint knows which rows of "
        "which data were learnt.",
        remedy="Give the same dataset, or start from the run's adapter with the new one.",
        param="dataset_id",
    )


def _check_left(checkpoint: Checkpoint, steps: int | None, recipe: Mapping[str, Any]) -> None:
    if steps is None or checkpoint.step < steps:
        return
    by_steps = recipe["hyperparameters"]["max_steps"] is not None
    name = "max_steps" if by_steps else "num_train_epochs"
    raise InvalidInputError(
        f"Nothing is left to train: checkpoint {checkpoint.step} is the end of {steps} steps.",
        remedy=f"Give a larger {name}, or start from the adapter with fresh settings.",
        param=f"hyperparameters.{name}",
        code="E_NOTHING_LEFT",
    )


def _none_at_home(job: TrainingJob) -> ConflictError:
    return ConflictError(
        f"No checkpoint of {job.name} is home, so there is nothing to go on from.",
        remedy="Train it again with its settings, or start from its adapter if that is home.",
        code="E_NO_CHECKPOINT",
    )


def _not_at_home(checkpoint: Checkpoint) -> ConflictError:
    why = checkpoint.left_because or "It was on its machine alone."
    newest = checkpoints.at_home(checkpoint.job_id).first()
    other = f"Go on from checkpoint {newest.step}, which is home" if newest else "Train it again"
    return ConflictError(
        f"Checkpoint {checkpoint.step} is not home. {why}",
        remedy=f"{other}, or start from the run's adapter if that is home.",
        code="E_NO_CHECKPOINT",
    )
