"""Which offers a request allows, and up to which hourly price."""

from decimal import Decimal
from typing import Any

import pytest

from core.errors import InvalidInputError
from deployments import quotes
from deployments.providers.base import Offer
from deployments.quotes import Quote, Wish


def offer(instance_type: str, region: str, price: str, **fields: Any) -> Offer:
    values: dict[str, Any] = {
        "platform": "lambda",
        "region_description": region,
        "description": instance_type,
        "gpu_name": "A10",
        "gpu_count": 1,
        "vram_gib": 24,
        "vcpus": 30,
        "memory_gib": 200,
        "storage_gib": 1400,
        "architecture": "x86_64",
        "available": bool(region),
    }
    return Offer(
        instance_type=instance_type,
        region=region,
        hourly_price_usd=Decimal(price),
        **(values | fields),
    )


A10_EAST = offer("a10", "east", "0.75")
A10_WEST = offer("a10", "west", "0.75")
A100_EAST = offer("a100", "east", "1.29")
H100_SOLD_OUT = offer("h100", "", "2.49")
EIGHT_H100 = offer("8x_h100", "west", "20.00", gpu_count=8)
OFFERS = [EIGHT_H100, A100_EAST, A10_WEST, H100_SOLD_OUT, A10_EAST]


def choose(offers: list[Offer] = OFFERS, **asked: Any) -> Quote:
    return quotes.choose(offers, Wish(**asked))


def allowed(**asked: Any) -> list[Offer]:
    return quotes.allowed_offers(OFFERS, [Wish(**asked)])


def test_auto_allows_every_machine_with_one_gpu_cheapest_first() -> None:
    assert allowed() == [A10_EAST, A10_WEST, A100_EAST, H100_SOLD_OUT]


def test_type_region_and_price_narrow_what_is_allowed() -> None:
    assert allowed(instance_type="a10") == [A10_EAST, A10_WEST]
    assert allowed(region="east") == [A10_EAST, A100_EAST]
    assert allowed(max_hourly_price_usd=Decimal("1.29"))[-1] == A100_EAST
    assert allowed(max_hourly_price_usd=Decimal("0.74")) == []


def test_F13_a_fallback_comes_after_what_it_is_for_however_cheap_and_each_offer_once() -> None:
    wishes = [Wish("a100"), Wish("auto", "east"), Wish("a10")]

    assert quotes.allowed_offers(OFFERS, wishes) == [A100_EAST, A10_EAST, A10_WEST]


def test_F13_a_fallback_has_a_limit_of_its_own() -> None:
    wishes = [
        Wish("a10", max_hourly_price_usd=Decimal("0.75")),
        Wish("a100", max_hourly_price_usd=Decimal("1.28")),
    ]

    assert quotes.allowed_offers(OFFERS, wishes) == [A10_EAST, A10_WEST]


def test_F26_a_region_to_avoid_comes_last_among_equal_prices_only() -> None:
    found = quotes.allowed_offers(OFFERS, [Wish()], avoided={("lambda", "east")})

    assert found == [A10_WEST, A10_EAST, A100_EAST, H100_SOLD_OUT]


def test_a_cheaper_fallback_waits_for_its_turn_where_no_region_is_avoided() -> None:
    wishes = [Wish("a100", "east"), Wish("a10", "west")]

    found = quotes.allowed_offers(OFFERS, wishes, avoided={("lambda", "west")})

    assert found == [A100_EAST, A10_WEST]


def test_F26_a_fallback_elsewhere_comes_first_unless_it_is_dearer() -> None:
    wishes, east = [Wish("a10", "east"), Wish("a10", "west")], {("lambda", "east")}
    dearer = [A10_EAST, offer("a10", "west", "0.80")]

    cheap = quotes.allowed_offers(OFFERS, wishes, avoided=east)
    dear = quotes.allowed_offers(dearer, wishes, avoided=east)

    assert [each.region for each in cheap] == ["west", "east"]
    assert [each.region for each in dear] == ["east", "west"]


def test_F26_a_bad_region_of_one_cloud_says_nothing_of_the_others() -> None:
    pod = offer("a10", "east", "0.75", platform="runpod")
    wishes = [Wish("a10", "east", platform="lambda"), Wish("a10", platform="runpod")]

    found = quotes.allowed_offers([A10_EAST, pod], wishes, avoided={("lambda", "east")})

    assert found == [pod, A10_EAST]


def test_a_wish_for_one_cloud_takes_no_offer_of_another() -> None:
    pod = offer("a10", "kansas", "0.40", platform="runpod")

    assert choose([A10_EAST, pod], platform="lambda").offer == A10_EAST
    assert choose([A10_EAST, pod]).offer == pod


def test_the_cheapest_free_offer_is_chosen_and_its_price_is_the_limit() -> None:
    assert choose() == Quote(A10_EAST, Decimal("0.75"))


def test_F13_a_limit_of_the_users_own_is_kept() -> None:
    assert choose(max_hourly_price_usd=Decimal("2.00")).max_hourly_price_usd == Decimal("2.00")


def test_a_free_dearer_offer_comes_before_a_cheaper_one_that_is_sold_out() -> None:
    quote = choose([offer("a10", "", "0.75"), A100_EAST])

    assert quote.offer == A100_EAST


def test_R2_a_type_that_is_sold_out_may_be_waited_for_at_its_price() -> None:
    quote = choose(instance_type="h100", region="west")

    assert (quote.offer.region, quote.offer.available) == ("west", False)
    assert quote.max_hourly_price_usd == Decimal("2.49")


@pytest.mark.parametrize(
    ("asked", "param", "named"),
    [
        ({"instance_type": "gb300"}, "instance_type", "a10, a100, h100"),
        ({"region": "moon"}, "region", "east, west"),
        ({"max_hourly_price_usd": Decimal("0.10")}, "max_hourly_price", "a10 at 0.75"),
    ],
)
def test_F5_what_nothing_matches_is_refused_by_name_with_what_there_is(
    asked: dict[str, Any], param: str, named: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        choose(**asked)

    assert refusal.value.param == param
    assert named in refusal.value.remedy


def test_a_machine_with_many_gpus_is_taken_by_its_name_alone() -> None:
    assert choose(instance_type="8x_h100").offer == EIGHT_H100
    assert EIGHT_H100 not in allowed()


def test_a_cloud_without_any_single_gpu_machine_is_no_capacity() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        choose([EIGHT_H100])

    assert refusal.value.code == "E_CAPACITY"
