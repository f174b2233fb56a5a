"""What people ask for: keep a config, deploy it, stop it. Views call these and nothing deeper."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from core import audit
from core.errors import ConflictError
from core.lookups import get_owned
from core.time import database_now
from datasets.models import Dataset
from deployments import clouds, going_on, recipes, training_data
from deployments.acceptance import check_dataset, check_ready
from deployments.accepting import Training, accept
from deployments.agreements import DEFAULT_MAX_HOURS, DeployRequest, Fallback
from deployments.going_on import Changes
from deployments.models import Deployment, Event, TrainingConfig, TrainingJob
from deployments.models.deployments import TERMINAL, Desired, Status
from deployments.quotes import AUTO

__all__ = [
    "DEFAULT_MAX_HOURS",
    "Changes",
    "ConfigInput",
    "DeployRequest",
    "Fallback",
    "cancel",
    "check_dataset",
    "check_ready",
    "clone",
    "delete_config",
    "deploy",
    "resume",
    "save_config",
    "save_now",
]


@dataclass(frozen=True)
class ConfigInput:
    """A training config as its owner gives it."""

    name: str
    base_model: str
    dataset_id: str
    method: str = "sft"
    hyperparameters: Mapping[str, Any] | None = None
    eval: Mapping[str, Any] | None = None
    export: Mapping[str, Any] | None = None
    budget_limit: Decimal | None = None


def save_config(
    user: User, given: ConfigInput, *, existing: TrainingConfig | None = None
) -> TrainingConfig:
    """Make a config, or change ``existing``; jobs made from it before keep their frozen copy.

    Raises: InvalidInputError naming the field; UnusableDataError for data that is ready and cannot
    be used so (F7); NotFoundError for somebody else's dataset.
    """
    recipes.check(
        method=given.method,
        base_model=given.base_model,
        hyperparameters=given.hyperparameters or {},
        evaluation=given.eval or {},
        export=given.export or {},
    )
    config = existing or TrainingConfig(user=user)
    config.name = given.name
    config.base_model = given.base_model
    config.method = given.method
    config.dataset = get_owned(Dataset.objects.active(), user, given.dataset_id)
    training_data.evaluation_of(user, given.eval or {})
    if config.dataset.is_ready:
        _check_data(user, config.dataset, given)
    config.hyperparameters = dict(given.hyperparameters or {})
    config.eval = dict(given.eval or {})
    config.export = dict(given.export or {})
    config.budget_limit = given.budget_limit
    config.save()
    return config


def _check_data(user: User, dataset: Dataset, given: ConfigInput) -> None:
    recipe = recipes.freeze(
        method=given.method,
        base_model=given.base_model,
        hyperparameters=given.hyperparameters or {},
        evaluation=given.eval or {},
    )
    training_data.check(user, dataset, recipe)


def delete_config(config: TrainingConfig) -> None:
    """Delete a config; the jobs made from it keep their frozen copy."""
    config.delete()


def deploy(user: User, platform: str, request: DeployRequest) -> Deployment:
    """Accept a deployment: everything that can be refused is refused here, before any spending.

    ``platform`` "auto" is every cloud for which the user has a key.
    Raises: InvalidInputError or UnusableDataError naming the field, NotFoundError for unknown
    ids, ConflictError for a cap or the kill switch, ProviderError when the cloud refuses the key
    or does not answer.
    """
    config = get_owned(TrainingConfig, user, request.training_config_id)
    _check_platform(platform)
    training = Training(
        name=request.name or config.name,
        model_name=config.base_model,
        dataset=config.dataset,
        recipe=recipes.freeze(
            method=config.method,
            base_model=config.base_model,
            hyperparameters=config.hyperparameters,
            evaluation=config.eval,
            export=config.export,
        ),
        config=config,
    )
    training = going_on.as_asked(
        user, training, resume_from=request.resume_from, adapter_from=request.adapter_from
    )
    return accept(user, platform, request, training)


def resume(
    job: TrainingJob,
    request: DeployRequest,
    *,
    platform: str = "",
    checkpoint_id: str = "",
    changes: Changes | None = None,
    new_job_id: UUID | None = None,
) -> Deployment:
    """Go on with a job from a checkpoint that is home: the newest whole one unless one is named.

    With the recipe as it was, the deployment is the job's next one and ends as an unbroken run
    would; with ``changes`` it is that of a new job, which takes ``new_job_id`` for its id.
    ``platform`` is by default that of the job's newest deployment.
    Raises: what ``deploy`` does; ConflictError when no checkpoint is home (E_NO_CHECKPOINT), one
    is damaged (E_CHECKPOINT) or the job is not over (E_RUN_LIVES); InvalidInputError naming a
    setting that may not change, or E_NOTHING_LEFT.
    """
    training = going_on.training_of(job, changes or Changes(), name=request.name)
    training = going_on.from_checkpoint(
        job.user, training, checkpoint_id or str(job.pk), new_job_id=new_job_id
    )
    newest = job.deployments.order_by("-created_at").first()
    platform = platform or (newest.platform if newest else "")
    _check_platform(platform)
    return accept(job.user, platform, request, training)


def _check_platform(platform: str) -> None:
    if platform != AUTO:
        clouds.provider_class(platform)


def clone(job: TrainingJob, changes: Mapping[str, Any]) -> TrainingConfig:
    """Keep a job's settings as a config of their own, with ``changes`` of ``ConfigInput``'s fields.

    Hyperparameters and evaluation settings are changed one by one, the rest stays as it was.
    Raises: what ``save_config`` does.
    """
    recipe: Mapping[str, Any] = job.config
    budget = job.training_config.budget_limit if job.training_config else None
    kept = ConfigInput(
        name=job.name,
        base_model=job.model_name,
        dataset_id=str(job.dataset_id),
        method=str(recipe["method"]),
        hyperparameters=recipe["hyperparameters"],
        eval=recipe["eval"],
        export=recipe.get("export"),
        budget_limit=budget,
    )
    merged = dict(changes)
    for name in ("hyperparameters", "eval"):
        if name in merged:
            merged[name] = {**recipe[name], **merged[name]}
    return save_config(job.user, replace(kept, **merged))


def cancel(
    deployment: Deployment, *, requested_by: User | None, save: bool = True, why: str = ""
) -> Deployment:
    """Ask for the end (F24): a wish that the next tick acts on; asking again is harmless.

    ``save`` False skips bringing the adapter home; once skipped, it stays skipped. ``why`` is told
    in place of who asked, for those who are not the owner.
    """
    now = database_now()
    who = requested_by.get_username() if requested_by else audit.SYSTEM
    with transaction.atomic():
        rows = Deployment.objects.filter(pk=deployment.pk).exclude(status__in=TERMINAL)
        changes: dict[str, Any] = {"next_tick_at": now} | ({} if save else {"save_wanted": False})
        news = Q(desired=Desired.RUN) if save else Q(desired=Desired.RUN) | Q(save_wanted=True)
        if rows.filter(news).update(desired=Desired.STOP, **changes) == 1:
            Event.objects.create(
                deployment=deployment,
                at=now,
                kind="stop_asked",
                message=(why or f"{who} asked to stop.")[:1000],
                data={"save": save},
            )
            audit.record("deployment.stop", actor=requested_by, obj=deployment, save=save)
        else:
            rows.update(**changes)
    deployment.refresh_from_db()
    return deployment


def save_now(deployment: Deployment, *, requested_by: User) -> Deployment:
    """Ask for a checkpoint at the next step: a wish that the next look passes on to the machine.

    Asking again is harmless. Raises: ConflictError unless it is being trained and to go on.
    """
    now = database_now()
    with transaction.atomic():
        rows = Deployment.objects.filter(
            pk=deployment.pk, status=Status.TRAINING, desired=Desired.RUN
        )
        if rows.update(save_asked_at=now, next_tick_at=now) == 0:
            raise ConflictError(
                "Nothing of this run can be saved now: it is not in training, or is to end.",
                remedy="A run that ends brings its adapter home by itself.",
            )
        Event.objects.create(
            deployment=deployment,
            at=now,
            kind="save_asked",
            message=f"{requested_by.get_username()} asked to save now.",
        )
        audit.record("deployment.save", actor=requested_by, obj=deployment)
    deployment.refresh_from_db()
    return deployment
