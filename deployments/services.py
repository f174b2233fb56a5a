"""What people ask for: keep a config, deploy it, stop it. Views call these and nothing deeper."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from core import audit
from core.errors import ConflictError, InvalidInputError, UnusableDataError
from core.lookups import get_owned
from core.time import database_now
from datasets.models import Dataset
from deployments import base_models, choosing, clouds, quotes, recipes, spending
from deployments.acceptance import budget_pays, check_budget, check_reachability
from deployments.choosing import Choice
from deployments.models import CloudSnapshot, Deployment, Event, TrainingConfig, TrainingJob
from deployments.models.deployments import TERMINAL, Desired, Status
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

    training_config_id: str
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

    Raises: InvalidInputError naming the field; NotFoundError for somebody else's dataset.
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
    config.hyperparameters = dict(given.hyperparameters or {})
    config.eval = dict(given.eval or {})
    config.export = dict(given.export or {})
    config.budget_limit = given.budget_limit
    config.save()
    return config


def delete_config(config: TrainingConfig) -> None:
    """Delete a config; the jobs made from it keep their frozen copy."""
    config.delete()


def deploy(user: User, platform: str, request: DeployRequest) -> Deployment:
    """Accept a deployment: everything that can be refused is refused here, before any spending.

    Raises: InvalidInputError or UnusableDataError naming the field, NotFoundError for unknown
    ids, ConflictError for a cap or the kill switch, ProviderError when the cloud refuses the key
    or does not answer.
    """
    config = get_owned(TrainingConfig, user, request.training_config_id)
    clouds.provider_class(platform)
    recipe = recipes.freeze(
        method=config.method,
        base_model=config.base_model,
        hyperparameters=config.hyperparameters,
        evaluation=config.eval,
    )
    base_models.check_name(config.base_model)
    check_dataset(config.dataset, method=config.method)
    budget = _budget(request, config)
    spending.check(user, budget, now=database_now())
    entry = _key(user, platform)
    check_reachability(platform)
    provider = clouds.provider_for(entry)
    offers = provider.offers()
    choice = choosing.choose(
        user,
        Wish(request.instance_type, request.region, request.max_hourly_price),
        recipe=recipe,
        dataset=config.dataset,
        offers=offers,
    )
    check_budget(budget, choice.quote.offer)
    request = _with_choice(request, platform, choice, offers=offers, budget=budget)
    fallbacks = _frozen_fallbacks(platform, request, offers=offers, budget=budget)
    if request.ssh_key_name:
        provider.ssh_public_key(request.ssh_key_name)
    return _create(
        user,
        platform,
        request,
        config=config,
        recipe=recipe,
        entry=entry,
        budget=budget,
        choice=choice,
        fallbacks=fallbacks,
    )


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


def check_ready(dataset: Dataset) -> None:
    """F7: data that is not ready is refused by name."""
    if not dataset.is_ready:
        raise UnusableDataError(
            f"The dataset {dataset.name} has errors and cannot be trained on.",
            remedy="Read its findings, correct the file and upload it again.",
            param="dataset_id",
        )


def check_dataset(dataset: Dataset, *, method: str) -> None:
    """F7: data that is not ready, or cannot serve the method, is refused by name."""
    check_ready(dataset)
    if method not in dataset.methods:
        raise UnusableDataError(
            f"The dataset {dataset.name} cannot serve the method {method}.",
            remedy=f"It serves: {', '.join(dataset.methods) or 'none'}.",
            param="method",
        )


def _budget(request: DeployRequest, config: TrainingConfig) -> Decimal:
    budget = request.budget_limit or config.budget_limit
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


def _still_there(entry: VaultEntry, config: TrainingConfig) -> Dataset:
    """Hold the key and the data until the rows that need them are written (F7, F55)."""
    dataset = Dataset.objects.active().select_for_update().filter(pk=config.dataset_id).first()
    if dataset is None or not VaultEntry.objects.active().select_for_update().filter(pk=entry.pk):
        raise ConflictError(
            "The key or the dataset was deleted while you deployed. Nothing was started.",
            remedy="Add it again, then deploy.",
        )
    check_dataset(dataset, method=config.method)
    return dataset


def _create(
    user: User,
    platform: str,
    request: DeployRequest,
    *,
    config: TrainingConfig,
    recipe: dict[str, Any],
    entry: VaultEntry,
    budget: Decimal,
    choice: Choice,
    fallbacks: list[dict[str, str]],
) -> Deployment:
    now = database_now()
    name = request.name or config.name
    with transaction.atomic():
        spending.reserve(user, budget, now=now)
        dataset = _still_there(entry, config)
        job = TrainingJob.objects.create(
            user=user,
            training_config=config,
            name=name,
            model_name=config.base_model,
            dataset=dataset,
            dataset_path=dataset.normalised_path,
            dataset_sha256=dataset.normalised_sha256,
            config=recipe,
        )
        deployment = Deployment.objects.create(
            user=user,
            job=job,
            training_config=config,
            vault_entry=entry,
            platform=platform,
            name=name,
            url=f"/jobs/{job.pk}/",
            config={
                "instance_type": request.instance_type,
                "region": request.region,
                "ssh_key_name": request.ssh_key_name,
                "fallbacks": fallbacks,
            },
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
        snapshot, _ = CloudSnapshot.objects.get_or_create(vault_entry=entry)
        CloudSnapshot.objects.filter(pk=snapshot.pk).update(next_list_at=now)
        Event.objects.create(
            deployment=deployment,
            at=now,
            kind="queued",
            message=f"Accepted. {choice.reason}".strip(),
            to_status="queued",
        )
        audit.record(
            "deployment.create", actor=user, obj=deployment, platform=platform, budget=str(budget)
        )
    return deployment
