"""What "auto" takes: the cheapest likely total of what fits, and never a dearer hour by itself."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from core.errors import InvalidInputError
from datasets.lengths import LengthCounter
from datasets.models import Dataset
from deployments import choosing, recipes
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
    return choosing.choose(
        dataset.user, wish, recipe=recipe(**settings), dataset=dataset, offers=offers
    )


def test_auto_passes_by_the_cheapest_hour_when_it_does_not_fit(dataset: Dataset) -> None:
    # Few and short rows: everything but the training takes the same time everywhere. The two
    # cards of 24 GB are tight at best; of those that fit the A6000 is the cheapest.
    found = chosen(dataset, Wish(), ALL)

    assert found.wish == Wish("gpu_1x_a6000", "auto")
    assert found.quote.max_hourly_price_usd == Decimal("1.09")
    assert found.likely_usd is not None
    assert found.reason.startswith("Auto chose 1x A6000 (48 GB): the cheapest of")


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

    assert found.wish == Wish("gpu_1x_h100_pcie", "us-east-1")


def test_a_machine_that_was_named_is_taken_as_it_is(dataset: Dataset) -> None:
    found = chosen(dataset, Wish("gpu_1x_a10"), ALL)

    assert (found.wish.instance_type, found.reason, found.alternatives) == ("gpu_1x_a10", "", ())
    assert found.likely_usd is not None


def test_of_a_model_of_unknown_size_auto_takes_the_cheapest_hour(dataset: Dataset) -> None:
    found = chosen(dataset, Wish(), ALL, base_model="somebody/model")

    assert found.wish == Wish()
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
