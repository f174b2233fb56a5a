"""Accepting a deployment: what a person asks for, checked against the world, becomes rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from core import audit
from core.errors import ConflictError, InvalidInputError
from core.time import database_now
from datasets.models import Dataset
from deployments import (
    base_models,
    catalogue,
    choosing,
    clouds,
    earlier_adapters,
    forecasts,
    spending,
    training_data,
)
from deployments.acceptance import check_budget, check_dataset, check_reachability
from deployments.agreements import Agreed, DeployRequest, frozen_fallbacks
from deployments.models import (
    Checkpoint,
    CloudSnapshot,
    Deployment,
    Event,
    TrainingConfig,
    TrainingJob,
)
from deployments.models.deployments import LIVING, Status
from deployments.providers import OWN
from deployments.providers.base import ProviderRefusedError
from deployments.quotes import AUTO, Wish
from secrets_vault.models import VaultEntry


@dataclass(frozen=True)
class Training:
    """What a deployment is to train, every default filled in.

    ``job`` is set when it goes on with the same recipe; ``added`` is what that job's own recipe,
    frozen by an earlier version, has no value for. ``steps`` is how many it takes in all, those
    before ``checkpoint`` included; None where nobody can say. ``new_job_id`` is a form's, so that
    two presses make one job.
    """

    name: str
    model_name: str
    dataset: Dataset
    recipe: Mapping[str, Any]
    config: TrainingConfig | None = None
    job: TrainingJob | None = None
    added: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    steps: int | None = None
    adapter: earlier_adapters.Adapter | None = None
    new_job_id: UUID | None = None

    @property
    def method(self) -> str:
        """How it is trained: sft, dpo or orpo."""
        return str(self.recipe["method"])

    @property
    def still_to_do(self) -> Mapping[str, Any]:
        """The recipe with the steps that are left: what time and money are reckoned for."""
        if self.checkpoint is None or self.steps is None:
            return self.recipe
        left = max(1, self.steps - self.checkpoint.step)
        return {
            **self.recipe,
            "hyperparameters": {**self.recipe["hyperparameters"], "max_steps": left},
        }


def accept(user: User, platform: str, request: DeployRequest, training: Training) -> Deployment:
    """Refuse whatever can be refused, then write the rows; raises what ``services.deploy`` does.

    ``platform`` may be "auto": every cloud for which the user has a key.
    """
    base_models.check_name(training.model_name)
    check_dataset(training.dataset, method=training.method)
    training_data.check(user, training.dataset, training.recipe)
    budget = _budget(request, training)
    spending.check(user, budget, now=database_now())
    named = {platform, *(each.platform for each in request.fallbacks)}
    keys = _keys(user, platform, request)
    for entry in keys:
        check_reachability(entry.provider)
    found = forecasts.for_offers(
        user,
        recipe=training.still_to_do,
        dataset=training.dataset,
        offers=catalogue.ask(keys, needed=named).offers,
    )
    asked = Wish(request.instance_type, request.region, request.max_hourly_price, platform)
    choice = choosing.choose(asked, found)
    check_budget(budget, choice.quote.offer)
    agreed = Agreed(
        keys=keys,
        budget=budget,
        choice=choice,
        fallbacks=frozen_fallbacks(request, choice, found, budget=budget),
    )
    agreed = replace(agreed, ssh_public_key=_users_own_key(agreed.used_keys[0], request))
    training = _with_adapter_kept(training)
    try:
        return _create(user, request, agreed, training=training)
    except BaseException:
        earlier_adapters.forget(training.new_job_id)
        raise


def _users_own_key(entry: VaultEntry, request: DeployRequest) -> str:
    """Return the key of that name at the chosen cloud, for whichever cloud it comes to."""
    if not request.ssh_key_name:
        return ""
    try:
        return clouds.provider_for(entry).ssh_public_key(request.ssh_key_name)
    except ProviderRefusedError as error:
        raise InvalidInputError(
            error.message, remedy=error.remedy, code=error.code, param="ssh_key_name"
        ) from error


def _budget(request: DeployRequest, training: Training) -> Decimal:
    kept = training.config.budget_limit if training.config else None
    budget = request.budget_limit or kept
    if budget is None and settings.DEFAULT_BUDGET_USD:
        budget = Decimal(settings.DEFAULT_BUDGET_USD)
    if budget is None:
        raise InvalidInputError(
            "No budget is set.",
            remedy="Give budget_limit in US dollars here or in the training config.",
            param="budget_limit",
        )
    return budget


def _keys(user: User, platform: str, request: DeployRequest) -> list[VaultEntry]:
    """Return the keys of the clouds that may be rented at (F4); the offers prove that they work."""
    named = [platform, *(each.platform for each in request.fallbacks)]
    keys = catalogue.cloud_keys(user)
    mine = {key.provider for key in keys}
    if AUTO in named and not keys:
        raise _no_key("cloud")
    for number, cloud in enumerate(named):
        if cloud in (AUTO, *mine):
            continue
        error = _no_own_machine() if cloud == OWN else _no_key(clouds.capabilities(cloud).label)
        if number:
            error.param = f"fallbacks.{number - 1}.platform"
        raise error
    return [key for key in keys if AUTO in named or key.provider in named]


def _no_key(label: str) -> InvalidInputError:
    return InvalidInputError(
        f"No {label} key is in your vault. Nothing was started.",
        remedy=f"Add your {label} API key to the vault, then deploy again.",
        code="E_NO_KEY",
    )


def _no_own_machine() -> InvalidInputError:
    return InvalidInputError(
        "No machine of your own is in your vault. Nothing was started.",
        remedy="Add yours to the vault, then deploy again.",
        code="E_NO_KEY",
    )


def _still_there(entries: Iterable[VaultEntry], training: Training) -> Dataset:
    """Hold the keys and the data until the rows that need them are written (F7, F55)."""
    dataset = Dataset.objects.active().select_for_update().filter(pk=training.dataset.pk).first()
    wanted = {entry.pk for entry in entries}
    held = VaultEntry.objects.active().select_for_update().filter(pk__in=wanted).order_by("pk")
    if dataset is None or {entry.pk for entry in held} != wanted:
        raise ConflictError(
            "The key or the dataset was deleted while you deployed. Nothing was started.",
            remedy="Add it again, then deploy.",
        )
    check_dataset(dataset, method=training.method)
    return dataset


def _with_adapter_kept(training: Training) -> Training:
    """Give the new job a copy of the adapter that it starts from: the other one may go."""
    if training.adapter is None:
        return training
    job_id = training.new_job_id or uuid4()
    kept = earlier_adapters.keep(training.adapter, job_id)
    return replace(training, recipe={**training.recipe, "adapter": kept}, new_job_id=job_id)


def _create(
    user: User, request: DeployRequest, agreed: Agreed, *, training: Training
) -> Deployment:
    now = database_now()
    choice = agreed.choice
    with transaction.atomic():
        spending.reserve(user, agreed.budget, now=now)
        dataset = _still_there(agreed.used_keys, training)
        job = _job(user, training, dataset)
        deployment = Deployment.objects.create(
            user=user,
            job=job,
            training_config=training.config,
            vault_entry=agreed.used_keys[0],
            platform=choice.wish.platform,
            name=training.name,
            url=f"/jobs/{job.pk}/",
            config=agreed.as_config(request)
            | ({"hyperparameters": dict(training.added)} if training.added else {}),
            resume_from=training.checkpoint,
            budget_limit=agreed.budget,
            max_hourly_price=choice.quote.max_hourly_price_usd,
            estimated_cost=choice.likely_usd,
            max_hours=request.max_hours,
            max_attempts=request.max_attempts,
            wait_for_capacity_minutes=request.wait_for_capacity_minutes,
            keep_on_failure_minutes=request.keep_on_failure_minutes,
            status=Status.QUEUED,
            status_since=now,
            created_at=now,
            # The outbox (D6): committed with the row, found by any worker's ticker.
            next_tick_at=now,
        )
        deployment.other_keys.set(agreed.used_keys[1:])
        _begin_its_story(deployment, training, agreed, now=now)
        audit.record(
            "deployment.create",
            actor=user,
            obj=deployment,
            platform=deployment.platform,
            budget=str(agreed.budget),
        )
    return deployment


def _job(user: User, training: Training, dataset: Dataset) -> TrainingJob:
    """Return the job that goes on, with no other deployment at work, or a new one."""
    if training.job is not None:
        job = TrainingJob.objects.select_for_update().get(pk=training.job.pk)
        if job.deployments.filter(status__in=LIVING).exists():
            raise still_runs(job)
        job.status, job.completed_at = Status.QUEUED, None
        job.save(update_fields=["status", "completed_at"])
        return job
    return TrainingJob.objects.create(
        pk=training.new_job_id or uuid4(),
        user=user,
        training_config=training.config,
        name=training.name,
        model_name=training.model_name,
        dataset=dataset,
        dataset_path=dataset.normalised_path,
        dataset_sha256=dataset.normalised_sha256,
        config=training.recipe,
    )


def still_runs(job: TrainingJob) -> ConflictError:
    """Return why a job is not gone on with while it has a living deployment."""
    return ConflictError(
        f"The run {job.name} is not over yet: nothing more is started for it.",
        remedy="Wait for its end or stop it, then go on; with changes it becomes a run of its own.",
        code="E_RUN_LIVES",
    )


def _begin_its_story(
    deployment: Deployment, training: Training, agreed: Agreed, *, now: datetime
) -> None:
    """Write the first event, and have the accounts listed now."""
    for entry in agreed.used_keys:
        CloudSnapshot.objects.update_or_create(vault_entry=entry, defaults={"next_list_at": now})
    begins = ""
    if training.checkpoint is not None:
        step, name = training.checkpoint.step, training.checkpoint.job.name
        begins = f"Goes on from checkpoint {step} of {name}. "
    elif training.adapter is not None:
        begins = f"Starts from the adapter of {training.adapter.name}. "
    Event.objects.create(
        deployment=deployment,
        at=now,
        kind="queued",
        message=f"Accepted. {begins}{agreed.choice.reason}".strip(),
        to_status="queued",
    )
