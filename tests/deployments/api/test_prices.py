"""``/api/prices`` and its page: the same figures, few queries, and why a cloud is missing."""

from collections.abc import Iterator
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from deployments import catalogue
from deployments.providers import PROVIDERS
from deployments.providers.base import Offer, ProviderUnavailableError
from tests.builders import make_user, make_vault_entry
from tests.deployments.api.calls import Caller, error_of
from tests.deployments.offers import make_offer

pytestmark = pytest.mark.django_db
OFFERS: dict[str, list[Offer]] = {
    "lambda": [make_offer("gpu_1x_a6000"), make_offer("gpu_1x_rtx6000", region="")],
    "runpod": [
        make_offer("gpu_1x_a6000", platform="runpod", hourly_price_usd=Decimal("0.5437")),
    ],
}


@pytest.fixture
def user() -> User:
    found = make_user()
    for platform in OFFERS:
        make_vault_entry(found, provider=platform)
    return found


@pytest.fixture(autouse=True)
def clouds_answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for platform, offers in OFFERS.items():
        monkeypatch.setattr(PROVIDERS[platform], "offers", lambda self, found=offers: found)
    cache.clear()
    yield
    cache.clear()


def page_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    response = client.get("/prices/")
    assert response.status_code == 200
    return " ".join(unescape(response.content.decode()).split())


def test_the_answer_compares_card_by_card_with_date_and_source(user: User) -> None:
    answer = Caller(user).read("prices")

    both, alone = answer["data"]
    assert (both["gpu"], both["vram_gib"], both["only_at"]) == ("A6000", 48, None)
    assert both["difference_percent"] == "100.5"
    assert both["prices"][0] == {
        "platform": "runpod",
        "instance_type": "gpu_1x_a6000",
        "region": "us-east-1",
        "available": True,
        "hourly": "0.5437",
        "hours_10": "5.44",
        "hours_50": "27.19",
        "more_percent": "0.0",
    }
    assert (alone["only_at"], alone["difference_percent"]) == ("lambda", None)
    assert not alone["prices"][0]["available"]
    assert answer["as_of"].endswith("Z")
    assert [(each["label"], each["address"], each["has_key"]) for each in answer["sources"]] == [
        ("Lambda", "cloud.lambda.ai", True),
        ("RunPod", "api.runpod.io", True),
    ]
    assert {each["as_of"] for each in answer["sources"]} == {answer["as_of"]}


def test_the_page_shows_the_same_figures_and_what_only_one_cloud_has(user: User) -> None:
    page = page_of(user)

    for told in ("$0.5437", "10 h $5.44 · 50 h $27.19", "$1.09", "10 h $10.90 · 50 h $54.50"):
        assert told in page
    assert "Lambda +100.5 %" in page
    assert "only at Lambda" in page
    assert "sold out now" in page
    assert "Lambda (cloud.lambda.ai), RunPod (api.runpod.io)." in page
    assert 'aria-current="page">Prices</a>' in page


def test_a_cloud_without_a_key_or_an_answer_is_named(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = make_user()
    make_vault_entry(alone)

    def away(self: object) -> list[Offer]:
        raise ProviderUnavailableError("RunPod does not answer.", remedy="Try again.")

    monkeypatch.setattr(PROVIDERS["runpod"], "offers", away)

    assert "the vault has no key for it: RunPod." in page_of(alone)
    assert "The prices of one cloud are missing: RunPod does not answer." in page_of(user)
    assert Caller(user).read("prices")["sources"][1]["as_of"] is None


def test_without_any_key_the_page_leads_to_the_vault_and_the_api_says_why() -> None:
    nobody = make_user()

    assert "Your vault holds no key for this." in page_of(nobody)
    assert error_of(Caller(nobody).get("prices"), status=400)["code"] == "E_NO_KEY"


def test_the_queries_do_not_grow_with_the_offers(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Caller(user).queries_of("prices")
    many = [
        make_offer(f"type-{number}", gpu_name=f"Card {number}", description="")
        for number in range(500)
    ]
    monkeypatch.setattr(PROVIDERS["lambda"], "offers", lambda self: many)
    cache.clear()

    assert Caller(user).queries_of("prices") == few
    # What was read a moment ago serves: the keys are looked up, and nothing else.
    again = Caller(user).queries_of("prices")
    assert again <= few - 4
    assert again <= 8
    assert catalogue.RECENT_SECONDS > 0
