"""What "auto" takes: the cheapest likely total of what fits, and never a dearer hour by itself."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from core.errors import InvalidInputError
from datasets.lengths import LengthCounter
from datasets.models import Dataset
from deployments import choosing, forecasts, recipes
from deployments.choosing import Choice
from deployments.providers.base import Offer
from deployments.quotes import Wish
from tests.builders import make_dataset
from tests.deployments.offers import CARDS, make_offer

pytestmark = pytest.mark.django_db

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
ALL = [make_offer(name) for name in CARDS]


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset()


def recipe(base_model: str = LLAMA, **hyperparameters: object) -> Mapping[str, Any]:
    return recipes.freeze(
        method="sft",
        base_model=base_model,
        hyperparameters=hyperparameters,
        evaluation={},
    )


def chosen(dataset: Dataset, wish: Wish, offers: list[Offer], **settings: Any) -> Choice:
    found = forecasts.for_offers(
        dataset.user, recipe=recipe(**settings), dataset=dataset, offers=offers
    )
    return choosing.choose(wish, found)


def test_auto_passes_by_the_cheapest_hour_when_it_does_not_fit(dataset: Dataset) -> None:
    # Few and short rows: everything but the training takes the same time everywhere. The two
    # cards of 24 GB are tight at best; of those that fit the A6000 is the cheapest.
    found = chosen(dataset, Wish(), ALL)

    assert found.wish == Wish("gpu_1x_a6000", "auto", platform="lambda")
    assert found.quote.max_hourly_price_usd == Decimal("1.09")
    assert found.likely_usd is not None
    assert found.reason.startswith("Auto chose 1x A6000 (48 GB) at Lambda: the cheapest of")


def test_auto_may_take_something_else_that_fits_at_no_higher_price_an_hour(
    dataset: Dataset,
) -> None:
    found = chosen(dataset, Wish(max_hourly_price_usd=Decimal("2.50")), ALL)

    assert found.wish.instance_type == "gpu_1x_a6000"
    types = [wish.instance_type for wish in found.alternatives]
    assert "gpu_1x_a100_sxm4" in types
    assert "gpu_1x_h100_pcie" not in types
    assert {wish.max_hourly_price_usd for wish in found.alternatives} == {Decimal("2.50")}


def test_without_a_limit_no_dearer_hour_is_taken(dataset: Dataset) -> None:
    found = chosen(dataset, Wish(), ALL)

    dearer = {offer.instance_type for offer in ALL if offer.hourly_price_usd > Decimal("1.09")}
    assert not dearer & {wish.instance_type for wish in found.alternatives}


def test_a_free_machine_comes_before_a_cheaper_one_that_is_sold_out(dataset: Dataset) -> None:
    offers = [make_offer("gpu_1x_a6000", region=""), make_offer("gpu_1x_h100_pcie")]

    assert chosen(dataset, Wish(), offers).wish.instance_type == "gpu_1x_h100_pcie"


def test_where_everything_is_sold_out_what_fits_is_waited_for(dataset: Dataset) -> None:
    offers = [make_offer("gpu_1x_rtx6000", region=""), make_offer("gpu_1x_a6000", region="")]

    found = chosen(dataset, Wish(), offers)

    assert found.wish.instance_type == "gpu_1x_a6000"
    assert not found.quote.offer.available


def test_only_the_region_that_was_named_counts(dataset: Dataset) -> None:
    offers = [
        make_offer("gpu_1x_a6000", region="us-west-1"),
        make_offer("gpu_1x_h100_pcie", region="us-east-1"),
    ]

    found = chosen(dataset, Wish(region="us-east-1"), offers)

    assert found.wish == Wish("gpu_1x_h100_pcie", "us-east-1", platform="lambda")


def test_a_machine_that_was_named_is_taken_as_it_is(dataset: Dataset) -> None:
    found = chosen(dataset, Wish("gpu_1x_a10"), ALL)

    assert (found.wish.instance_type, found.reason, found.alternatives) == ("gpu_1x_a10", "", ())
    assert found.likely_usd is not None


def test_of_a_model_of_unknown_size_auto_takes_the_cheapest_hour(dataset: Dataset) -> None:
    found = chosen(dataset, Wish(), ALL, base_model="somebody/model")

    assert found.wish == Wish(platform="lambda")
    assert found.quote.offer.instance_type == "gpu_1x_rtx6000"
    assert found.likely_usd is None


def test_where_nothing_fits_nothing_is_rented(dataset: Dataset) -> None:
    with pytest.raises(InvalidInputError) as refused:
        chosen(dataset, Wish(), ALL, base_model="meta-llama/Llama-3.3-70B-Instruct")

    assert refused.value.code == "E_OOM"
    assert refused.value.param == "instance_type"
    assert "the largest card on offer has 96 GB" in refused.value.message
    assert "smaller model" in refused.value.remedy


def test_a_smaller_change_that_would_fit_is_named(dataset: Dataset) -> None:
    counter = LengthCounter()
    counter.add(6000, answer_tokens=3000)
    dataset.row_lengths = counter.lengths().as_json()
    offers = [make_offer("gpu_1x_a6000")]

    with pytest.raises(InvalidInputError) as refused:
        chosen(
            dataset,
            Wish(),
            offers,
            gradient_checkpointing=False,
            max_length=6000,
            per_device_train_batch_size=1,
        )

    assert "Gradient checkpointing on" in refused.value.remedy


def test_a_run_without_an_end_has_no_likely_total(dataset: Dataset) -> None:
    counter = LengthCounter()
    counter.add(1000, answer_tokens=500)
    dataset.row_lengths = counter.lengths().as_json()

    found = chosen(
        dataset,
        Wish("gpu_1x_a10"),
        ALL,
        max_steps=10_000_000,
        per_device_train_batch_size=256,
        gradient_accumulation_steps=1024,
    )

    assert found.likely_usd is None


POD = {"platform": "runpod", "region": "US-KS-2", "region_description": "US-KS-2"}


def test_auto_looks_at_all_clouds_and_may_take_the_other_one_instead(dataset: Dataset) -> None:
    pods = [
        make_offer("gpu_1x_a6000", **POD, hourly_price_usd=Decimal("0.49")),
        make_offer("gpu_1x_a100_sxm4", **POD, hourly_price_usd=Decimal("1.19")),
    ]

    cheap = chosen(dataset, Wish(), [*ALL, *pods])
    dearer = chosen(dataset, Wish(max_hourly_price_usd=Decimal("1.20")), [*ALL, *pods])

    assert (cheap.wish.platform, cheap.alternatives) == ("runpod", ())
    assert "of 2 clouds that fit" in cheap.reason
    # By the likely total: what may be taken instead is of both clouds, below the allowed price.
    instead = [(wish.platform, wish.instance_type) for wish in dearer.alternatives]
    assert ("lambda", "gpu_1x_a6000") in instead
    assert ("runpod", "gpu_1x_a100_sxm4") in instead
    assert ("lambda", "gpu_1x_a100_sxm4") not in instead


def test_one_cloud_that_was_named_is_the_only_one_looked_at(dataset: Dataset) -> None:
    pod = make_offer("gpu_1x_a6000", **POD, hourly_price_usd=Decimal("0.49"))

    found = chosen(dataset, Wish(platform="lambda"), [*ALL, pod])

    assert {wish.platform for wish in (found.wish, *found.alternatives)} == {"lambda"}


def test_of_a_model_of_unknown_size_the_other_cloud_is_taken_at_no_higher_price(
    dataset: Dataset,
) -> None:
    pods = [
        make_offer("gpu_1x_a10", **POD, hourly_price_usd=Decimal("0.69")),
        make_offer("gpu_1x_a100_sxm4", **POD, hourly_price_usd=Decimal("0.70")),
    ]

    found = chosen(dataset, Wish(), [*ALL, *pods], base_model="somebody/model")

    assert found.wish == Wish(platform="runpod")
    limit = Decimal("0.69")
    assert found.alternatives == (Wish(max_hourly_price_usd=limit, platform="lambda"),)
