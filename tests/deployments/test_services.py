"""What people ask for: everything refusable is refused before any spending; a stop is a wish."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    SlipwayError,
    UnusableDataError,
)
from core.models import AuditEntry
from datasets.models import Dataset
from datasets.services import delete_dataset
from deployments import accepting, services
from deployments.models import CloudSnapshot, Deployment, Event, TrainingConfig, TrainingJob
from deployments.models.deployments import TERMINAL, Desired, Status
from deployments.providers.base import ProviderAuthError, ProviderUnavailableError
from deployments.services import ConfigInput, DeployRequest
from secrets_vault.services import delete_entry, entry_for
from tests import builders
from tests.deployments.virtual.world import World

Ask = Callable[..., Deployment]


@pytest.fixture
def config(world: World) -> TrainingConfig:
    """Return the user's config; their key is in the vault."""
    return builders.make_config(world.user)


@pytest.fixture
def ask(world: World, config: TrainingConfig) -> Ask:
    """Return a function that asks for a deployment of the config with 10 USD."""

    def deploy(platform: str = "lambda", **request: Any) -> Deployment:
        asked: dict[str, Any] = {"training_config_id": str(config.pk), "budget_limit": Decimal(10)}
        return services.deploy(world.user, platform, DeployRequest(**(asked | request)))

    return deploy


def refusal(
    ask: Ask, error: type[SlipwayError] = InvalidInputError, **request: Any
) -> SlipwayError:
    """Return the error that a request is refused with; nothing may be left of it."""
    with pytest.raises(error) as refused:
        ask(**request)
    assert not Deployment.objects.exists()
    assert not TrainingJob.objects.filter(deployments__isnull=False).exists()
    return refused.value


# Accepting.


def test_D6_an_accepted_deployment_is_due_at_once_and_its_key_is_watched(
    world: World, ask: Ask
) -> None:
    deployment = ask()

    snapshot = CloudSnapshot.objects.get()
    assert deployment.status == Status.QUEUED
    assert deployment.next_tick_at == deployment.created_at == snapshot.next_list_at
    assert snapshot.vault_entry == deployment.vault_entry
    assert Event.objects.get().kind == "queued"
    assert AuditEntry.objects.filter(action="deployment.create", object_id=deployment.pk).exists()


def test_I14_the_job_freezes_recipe_and_data(ask: Ask, config: TrainingConfig) -> None:
    job = ask().job
    config.hyperparameters = {"lora_r": 64}
    config.save()

    job.refresh_from_db()
    assert job.config["hyperparameters"]["lora_r"] == 8
    assert job.dataset_sha256 == config.dataset.normalised_sha256
    assert (job.name, job.model_name) == (config.name, config.base_model)


def test_F5_F13_the_price_seen_at_accept_is_the_limit_unless_the_user_gives_one(
    world: World, ask: Ask
) -> None:
    assert ask().max_hourly_price == Decimal("1.29")
    assert ask(max_hourly_price=Decimal("2.50")).max_hourly_price == Decimal("2.50")


def test_the_budget_of_the_request_comes_before_the_configs_and_that_before_the_default(
    ask: Ask, config: TrainingConfig, settings: Settings
) -> None:
    settings.DEFAULT_BUDGET_USD = "3.00"
    by_default = ask(budget_limit=None).budget_limit
    config.budget_limit = Decimal("4.00")
    config.save()

    assert by_default == Decimal("3.00")
    assert ask(budget_limit=None).budget_limit == Decimal("4.00")
    assert ask(budget_limit=Decimal("5.00")).budget_limit == Decimal("5.00")


# Refusing.


def test_F6_without_any_budget_nothing_is_started(ask: Ask) -> None:
    assert refusal(ask, budget_limit=None).param == "budget_limit"


def test_F6_a_budget_too_small_for_boot_and_landing_is_refused_with_the_arithmetic(
    ask: Ask,
) -> None:
    error = refusal(ask, budget_limit=Decimal("0.20"))

    assert (error.code, error.param) == ("E_BUDGET", "budget_limit")
    # 5 minutes of boot 0.1075, the reserve 0.1111, one minute 0.0215: 0.25.
    assert "0.25" in error.remedy
    assert "0.11" in error.message
    assert ask(budget_limit=Decimal("0.25")).status == Status.QUEUED


def test_F4_without_a_key_nothing_is_started(
    world: World, ask: Ask, config: TrainingConfig
) -> None:
    entry = entry_for(world.user, "lambda")
    assert entry is not None
    delete_entry(entry, actor=world.user)

    assert refusal(ask).code == "E_NO_KEY"


@pytest.mark.parametrize(
    ("fault", "error"), [("auth", ProviderAuthError), ("error", ProviderUnavailableError)]
)
def test_F4_a_key_that_the_cloud_does_not_take_starts_nothing(
    world: World, ask: Ask, fault: str, error: type[SlipwayError]
) -> None:
    world.cloud.fail("offers", fault)

    refusal(ask, error)


def test_F5_a_type_that_is_not_offered_is_refused(ask: Ask) -> None:
    assert refusal(ask, instance_type="gpu_1x_gb300").param == "instance_type"


def test_an_unknown_platform_is_refused_with_those_there_are(ask: Ask) -> None:
    error = refusal(ask, platform="moonbase")

    assert error.param == "platform"
    assert "lambda" in error.remedy


@pytest.mark.parametrize("config_id", [str(uuid.UUID(int=1)), "no uuid", ""])
def test_I18_an_unknown_config_is_not_found(ask: Ask, config_id: str) -> None:
    refusal(ask, NotFoundError, training_config_id=config_id)


def test_I18_somebody_elses_config_is_as_good_as_unknown(ask: Ask) -> None:
    refusal(ask, NotFoundError, training_config_id=str(builders.make_config().pk))


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"status": Dataset.Status.INVALID}, "dataset_id"), ({"methods": []}, "method")],
)
def test_F7_data_that_cannot_be_trained_on_is_refused(
    ask: Ask, config: TrainingConfig, changes: dict[str, Any], param: str
) -> None:
    Dataset.objects.filter(pk=config.dataset_id).update(**changes)

    assert refusal(ask, UnusableDataError).param == param


@pytest.mark.parametrize(
    ("app_url", "accepted"),
    [
        ("", True),
        ("https://slipway.example", True),
        ("http://localhost:8000", False),
        ("https://127.0.0.1", False),
        ("http://slipway.example", False),
    ],
)
def test_T25_machines_must_reach_us_in_private_or_not_at_all(
    ask: Ask, settings: Settings, app_url: str, accepted: bool
) -> None:
    settings.APP_URL = app_url

    if accepted:
        assert ask().status == Status.QUEUED
    else:
        assert refusal(ask).code == "E_APP_URL"


def test_F55_a_key_that_is_deleted_while_we_ask_the_cloud_is_not_used(
    world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = entry_for(world.user, "lambda")
    assert entry is not None

    def deleted_meanwhile(*args: Any, **kwargs: Any) -> None:
        delete_entry(entry, actor=world.user)

    monkeypatch.setattr(accepting, "check_budget", deleted_meanwhile)

    refusal(ask, ConflictError)


def test_F7_data_that_is_deleted_while_we_ask_the_cloud_is_not_trained_on(
    world: World, ask: Ask, config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_meanwhile(*args: Any, **kwargs: Any) -> None:
        TrainingConfig.objects.filter(pk=config.pk).delete()
        delete_dataset(config.dataset, actor=world.user)

    monkeypatch.setattr(accepting, "check_budget", deleted_meanwhile)

    refusal(ask, ConflictError)


# Stopping.


def test_F24_a_stop_is_a_wish_that_is_due_at_once(world: World) -> None:
    deployment = world.deploy(status=Status.TRAINING)
    Deployment.objects.update(next_tick_at=world.clock.in_seconds(60))

    world.cancel(deployment)

    deployment.refresh_from_db()
    assert (deployment.desired, deployment.save_wanted) == (Desired.STOP, True)
    assert deployment.next_tick_at == world.clock.now
    assert deployment.status == Status.TRAINING
    assert Event.objects.get().kind == "stop_asked"


def test_asking_again_is_harmless_and_told_once(world: World) -> None:
    deployment = world.deploy(status=Status.TRAINING)

    for _ in range(3):
        world.cancel(deployment)

    assert Event.objects.count() == 1
    assert AuditEntry.objects.filter(action="deployment.stop").count() == 1


def test_once_saving_is_skipped_it_stays_skipped(world: World) -> None:
    deployment = world.deploy(status=Status.TRAINING)

    world.cancel(deployment, save=False)
    world.cancel(deployment, save=True)

    deployment.refresh_from_db()
    assert not deployment.save_wanted


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_I4_what_is_over_cannot_be_stopped(world: World, status: Status) -> None:
    deployment = world.deploy(status=status, next_tick_at=None)

    world.cancel(deployment, save=False)

    deployment.refresh_from_db()
    assert (deployment.desired, deployment.next_tick_at) == (Desired.RUN, None)
    assert deployment.save_wanted
    assert not Event.objects.exists()


# Configs.


def test_a_config_is_kept_and_changed_by_its_owner(world: World) -> None:
    dataset = builders.make_dataset(world.user)
    given = ConfigInput(name="a", base_model="owner/model", dataset_id=str(dataset.pk))
    config = services.save_config(world.user, given)

    changed = ConfigInput(
        name="b", base_model="owner/model", dataset_id=str(dataset.pk), eval={"share": 0.2}
    )
    services.save_config(world.user, changed, existing=config)

    config.refresh_from_db()
    assert (config.name, config.eval, config.user) == ("b", {"share": 0.2}, world.user)


def test_a_config_that_no_run_can_be_made_from_is_not_kept(world: World) -> None:
    dataset = builders.make_dataset(world.user)
    before = TrainingConfig.objects.count()
    given = ConfigInput(
        name="a",
        base_model="owner/model",
        dataset_id=str(dataset.pk),
        hyperparameters={"lora_r": "many"},
    )

    with pytest.raises(InvalidInputError):
        services.save_config(world.user, given)

    assert TrainingConfig.objects.count() == before


def test_I18_a_config_cannot_use_somebody_elses_data(world: World) -> None:
    theirs = builders.make_dataset()
    given = ConfigInput(name="a", base_model="owner/model", dataset_id=str(theirs.pk))

    with pytest.raises(NotFoundError):
        services.save_config(world.user, given)


def test_a_deleted_config_leaves_its_jobs(ask: Ask, config: TrainingConfig) -> None:
    deployment = ask()

    services.delete_config(config)

    deployment.refresh_from_db()
    assert deployment.training_config is None
    assert deployment.job.config["method"] == "sft"
