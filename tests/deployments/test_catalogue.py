"""What was offered a moment ago, for pages that are turned often."""

import re

import pytest
import responses
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from core.errors import InvalidInputError
from deployments import catalogue
from deployments.providers.base import ProviderUnavailableError
from secrets_vault.services import delete_entry, entry_for
from tests.builders import make_user, make_vault_entry
from tests.deployments.pages.wizard.market import again, market

__all__ = ["market"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    found = make_user()
    make_vault_entry(found)
    return found


def test_the_offers_of_a_moment_ago_serve_again(user: User, market: responses.RequestsMock) -> None:
    first = catalogue.recent_offers(user)
    again(market, gpu_1x_a10=())

    assert catalogue.recent_offers(user) == first
    assert len(market.calls) == 1


RUNPOD_URL = "https://runpod.test/v2"


@pytest.mark.parametrize("platform", [None, "runpod"])
def test_f58_a_cloud_that_does_not_answer_does_not_hide_the_others(
    user: User, market: responses.RequestsMock, settings: Settings, platform: str | None
) -> None:
    settings.RUNPOD_API_BASE_URL = RUNPOD_URL
    market.get(re.compile(f"{RUNPOD_URL}/.*"), status=503, body="<html>")
    make_vault_entry(user, provider="runpod", secret="rpa_0123456789abcdefghij0123456789")

    if platform is not None:
        with pytest.raises(ProviderUnavailableError):
            catalogue.live_offers(user, platform=platform)
        return
    found = catalogue.live_offers(user)

    assert {offer.platform for offer in found.offers} == {"lambda"}
    [words] = found.silent
    assert words.startswith("RunPod's API fails (HTTP 503).")


def test_what_is_older_is_asked_for_anew(user: User, market: responses.RequestsMock) -> None:
    first = catalogue.recent_offers(user)

    found = catalogue.recent_offers(user, max_age_seconds=0)

    assert found.as_of >= first.as_of
    assert len(market.calls) == 2


def test_i7_another_users_offers_are_asked_under_their_own_key(
    user: User, market: responses.RequestsMock
) -> None:
    catalogue.recent_offers(user)
    other = make_user()
    make_vault_entry(other, secret="secret_other_0123456789abcdef.q7R2t9XzK4mW8pLd")

    catalogue.recent_offers(other)

    assert len(market.calls) == 2


def test_a_key_that_is_gone_shows_nothing_any_more(
    user: User, market: responses.RequestsMock
) -> None:
    catalogue.recent_offers(user)
    entry = entry_for(user, "lambda")
    assert entry is not None
    delete_entry(entry, actor=user)

    with pytest.raises(InvalidInputError):
        catalogue.recent_offers(user)
