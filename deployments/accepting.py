"""Accepting a deployment: what a person asks for, checked against the world, becomes rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
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
    choosing,
    clouds,
    earlier_adapters,
    quotes,
    spending,
    training_data,
)
from deployments.acceptance import budget_pays, check_budget, check_dataset, check_reachability
from deployments.choosing import Choice
from deployments.models import (
    Checkpoint,
    CloudSnapshot,
    Deployment,
    Event,
    TrainingConfig,
    TrainingJob,
)
from deployments.models.deployments import LIVING, Status
from deployments.providers.base import Offer
from deployments.quotes import Wish
from secrets_vault.models import VaultEntry
from secrets_vault.services import entry_for

AUTO = "auto"
DEFAULT_MAX_HOURS = Decimal(24)


@dataclass(frozen=True)
class Fallback:
    """What to try when the machine asked for is refused for capacity; in the order given."""

    platform: str
    instance_type: str = AUTO
    region: str = AUTO
    # What its reader was shown; the request's limit holds without it.
    max_hourly_price: Decimal | None = None


@dataclass(frozen=True)
class DeployRequest:
    """The body of ``POST /api/training/deploy/{platform}`` (API.md section 2), already typed."""

    training_config_id: str = ""
    instance_type: str = AUTO
    region: str = AUTO
    budget_limit: Decimal | None = None
    max_hours: Decimal = DEFAULT_MAX_HOURS
    name: str = ""
    ssh_key_name: str | None = None
    wait_for_capacity_minutes: int = 30
    max_hourly_price: Decimal | None = None
    max_attempts: int = 2
    fallbacks: tuple[Fallback, ...] = ()
    keep_on_failure_minutes: int = 0
    # A job or a checkpoint to go on from; a job, an artifact or a checkpoint whose adapter to
    # start from.
    resume_from: str = ""
    adapter_from: str = ""


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
    """Refuse whatever can be refused, then write the rows; raises what ``services.deploy`` does."""
    base_models.check_name(training.model_name)
    check_dataset(training.dataset, method=training.method)
    training_data.check(user, training.dataset, training.recipe)
    budget = _budget(request, training)
    spending.check(user, budget, now=database_now())
    entry = _key(user, platform)
    check_reachability(platform)
    provider = clouds.provider_for(entry)
    offers = provider.offers()
    choice = choosing.choose(
        user,
        Wish(request.instance_type, request.region, request.max_hourly_price),
        recipe=training.still_to_do,
        dataset=training.dataset,
        offers=offers,
    )
    check_budget(budget, choice.quote.offer)
    request = _with_choice(request, platform, choice, offers=offers, budget=budget)
    fallbacks = _frozen_fallbacks(platform, request, offers=offers, budget=budget)
    if request.ssh_key_name:
        provider.ssh_public_key(request.ssh_key_name)
    training = _with_adapter_kept(training)
    try:
        return _create(
            user,
            platform,
            request,
            training=training,
            entry=entry,
            budget=budget,
            choice=choice,
            fallbacks=fallbacks,
        )
    except BaseException:
        earlier_adapters.forget(training.new_job_id)
        raise


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


def _frozen_fallbacks(
    platform: str, request: DeployRequest, *, offers: list[Offer], budget: Decimal
) -> list[dict[str, str]]:
    """Return the fallbacks, each with the price it is offered at now: never more (F5, F13)."""
    frozen = []
    for number, fallback in enumerate(request.fallbacks):
        _check_platform(fallback, platform=platform, number=number)
        limit = fallback.max_hourly_price or request.max_hourly_price
        try:
            quote = quotes.choose(offers, Wish(fallback.instance_type, fallback.region, limit))
            check_budget(budget, quote.offer)
        except InvalidInputError as error:
            error.param = f"fallbacks.{number}.{error.param}" if error.param else "fallbacks"
            raise
        frozen.append(asdict(fallback) | {"max_hourly_price": str(quote.max_hourly_price_usd)})
    return frozen


def _with_choice(
    request: DeployRequest, platform: str, choice: Choice, *, offers: list[Offer], budget: Decimal
) -> DeployRequest:
    """Return the request with what "auto" has chosen, and what it may take instead.

    What the budget does not even boot is left out: nobody asked for it by name.
    """
    instead = tuple(
        Fallback(platform, wish.instance_type, wish.region, wish.max_hourly_price_usd)
        for wish in choice.alternatives
        if budget_pays(budget, quotes.choose(offers, wish).offer)
    )
    return replace(
        request,
        instance_type=choice.wish.instance_type,
        fallbacks=request.fallbacks or instead,
    )


def _check_platform(fallback: Fallback, *, platform: str, number: int) -> None:
    if fallback.platform != platform:
        raise InvalidInputError(
            f"A fallback to {fallback.platform} is not available in this version.",
            remedy=f"Name machines of {platform} only.",
            param=f"fallbacks.{number}.platform",
        )


def _key(user: User, platform: str) -> VaultEntry:
    """F4: no key, no deployment; the offers that follow prove that it works."""
    label = clouds.capabilities(platform).label
    entry = entry_for(user, platform)
    if entry is None:
        raise InvalidInputError(
            f"No {label} key is in your vault. Nothing was started.",
            remedy=f"Add your {label} API key to the vault, then deploy again.",
            code="E_NO_KEY",
        )
    return entry


def _still_there(entry: VaultEntry, training: Training) -> Dataset:
    """Hold the key and the data until the rows that need them are written (F7, F55)."""
    dataset = Dataset.objects.active().select_for_update().filter(pk=training.dataset.pk).first()
    if dataset is None or not VaultEntry.objects.active().select_for_update().filter(pk=entry.pk):
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
    user: User,
    platform: str,
    request: DeployRequest,
    *,
    training: Training,
    entry: VaultEntry,
    budget: Decimal,
    choice: Choice,
    fallbacks: list[dict[str, str]],
) -> Deployment:
    now = database_now()
    with transaction.atomic():
        spending.reserve(user, budget, now=now)
        dataset = _still_there(entry, training)
        job = _job(user, training, dataset)
        deployment = Deployment.objects.create(
            user=user,
            job=job,
            training_config=training.config,
            vault_entry=entry,
            platform=platform,
            name=training.name,
            url=f"/jobs/{job.pk}/",
            config={
                "instance_type": request.instance_type,
                "region": request.region,
                "ssh_key_name": request.ssh_key_name,
                "fallbacks": fallbacks,
                **({"hyperparameters": dict(training.added)} if training.added else {}),
            },
            resume_from=training.checkpoint,
            budget_limit=budget,
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
        _begin_its_story(deployment, training, choice, now=now)
        audit.record(
            "deployment.create", actor=user, obj=deployment, platform=platform, budget=str(budget)
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
    deployment: Deployment, training: Training, choice: Choice, *, now: datetime
) -> None:
    """Write the first event, and have the account listed now."""
    snapshot, _ = CloudSnapshot.objects.get_or_create(vault_entry=deployment.vault_entry)
    CloudSnapshot.objects.filter(pk=snapshot.pk).update(next_list_at=now)
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
        message=f"Accepted. {begins}{choice.reason}".strip(),
        to_status="queued",
    )
