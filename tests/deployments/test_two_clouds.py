"""Accepting a run for which several clouds may be rented at: keys, prices, fallbacks."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.errors import ConflictError, InvalidInputError
from deployments import services, snapshot
from deployments.models import CloudSnapshot, Deployment
from deployments.providers.base import ProviderUnavailableError
from deployments.services import DeployRequest, Fallback
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
from secrets_vault.services import delete_entry
from tests import builders
from tests.deployments.api.calls import Caller
from tests.deployments.virtual.world import World

Ask = Callable[..., Deployment]
POD = Fallback("runpod", "A10 pod", "US-KS-2")


@pytest.fixture
def other_key(world: World) -> VaultEntry:
    """Return the user's key of the second cloud, whose pod costs 1.19 USD an hour."""
    return world.open_other()


@pytest.fixture
def ask(world: World, other_key: VaultEntry) -> Ask:
    """Return a function that asks for a deployment at Lambda with 10 USD."""
    config = builders.make_config(world.user)

    def deploy(platform: str = "lambda", **request: Any) -> Deployment:
        asked: dict[str, Any] = {"training_config_id": str(config.pk), "budget_limit": Decimal(10)}
        return services.deploy(world.user, platform, DeployRequest(**(asked | request)))

    return deploy


def test_F13_a_fallback_at_another_cloud_is_frozen_at_its_price_of_now(
    ask: Ask, other_key: VaultEntry
) -> None:
    deployment = ask(instance_type="gpu_1x_a10", fallbacks=(POD,))

    assert deployment.platforms == ("lambda", "runpod")
    assert deployment.config["fallbacks"] == [
        {
            "platform": "runpod",
            "instance_type": "A10 pod",
            "region": "US-KS-2",
            "max_hourly_price": "1.19",
        }
    ]
    assert list(deployment.other_keys.all()) == [other_key]


def test_auto_rents_at_the_cloud_whose_offer_is_cheapest_and_no_dearer_elsewhere(
    world: World, ask: Ask
) -> None:
    alone = ask("auto")
    allowed = ask("auto", max_hourly_price=Decimal("1.50"))
    world.other.prices = {("A10 pod", "US-KS-2"): Decimal("1.49")}

    assert (alone.platforms, alone.max_hourly_price) == (("runpod",), Decimal("1.19"))
    assert allowed.platforms == ("runpod", "lambda")
    assert ask("auto").platforms == ("lambda",)


def test_the_interface_takes_auto_for_the_cloud(world: World, other_key: VaultEntry) -> None:
    config = builders.make_config(world.user)
    body = {"training_config_id": str(config.pk), "budget_limit": "10.00"}
    fallbacks = [{"platform": "auto", "instance_type": "gpu_1x_a10"}]

    response = Caller(world.user).post("training/deploy/auto", {**body, "fallbacks": fallbacks})

    assert response.status_code == 202
    assert response.json()["platform"] == "runpod"
    assert Deployment.objects.get().platforms == ("runpod", "lambda")


def test_auto_goes_by_a_cloud_that_does_not_answer_but_what_is_named_must(
    world: World, ask: Ask
) -> None:
    world.other.fail("offers", "error", "error")

    assert ask("auto").platform == "lambda"
    with pytest.raises(ProviderUnavailableError):
        ask(fallbacks=(POD,))


def test_F4_a_fallback_without_a_key_is_refused_where_it_stands(
    world: World, ask: Ask, other_key: VaultEntry
) -> None:
    delete_entry(other_key, actor=world.user)

    with pytest.raises(InvalidInputError) as refused:
        ask(fallbacks=(POD,))

    assert (refused.value.code, refused.value.param) == ("E_NO_KEY", "fallbacks.0.platform")
    assert ask("auto").platform == "lambda"


def test_F6_the_budget_must_pay_for_the_dearest_that_was_named(world: World, ask: Ask) -> None:
    world.other.prices = {("A10 pod", "US-KS-2"): Decimal("12.00")}

    with pytest.raises(InvalidInputError) as refused:
        ask(fallbacks=(POD,), budget_limit=Decimal("1.00"))

    assert (refused.value.code, refused.value.param) == ("E_BUDGET", "fallbacks.0.budget_limit")


def test_F55_the_key_of_a_fallback_is_kept_while_the_run_lives(
    world: World, ask: Ask, other_key: VaultEntry
) -> None:
    ask(fallbacks=(POD,))

    with pytest.raises(ConflictError):
        delete_entry(other_key, actor=world.user)


def test_D2_both_accounts_are_listed_while_the_run_lives(
    world: World, ask: Ask, other_key: VaultEntry
) -> None:
    deployment = ask(fallbacks=(POD,))

    def watched() -> bool:
        return snapshot.is_watched(other_key.pk, now=world.clock.now, timing=Timing())

    assert CloudSnapshot.objects.filter(next_list_at=world.clock.now).count() == 2
    assert watched()
    Deployment.objects.filter(pk=deployment.pk).update(
        status="completed", completed_at=world.clock.now
    )
    assert not watched()
