"""What a run would need, take and cost on each offer, and what is said where it cannot run."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from datasets.lengths import LengthCounter
from datasets.models import Dataset
from deployments import forecasts, recipes
from deployments.forecasts import OfferForecast
from deployments.providers.base import Offer
from tests.builders import NOON, make_dataset, make_machine, make_user
from tests.deployments.offers import CARDS, make_offer

pytestmark = pytest.mark.django_db

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SMALL = "Qwen/Qwen2.5-0.5B-Instruct"
ALL = [make_offer(name) for name in CARDS]


@pytest.fixture
def dataset() -> Dataset:
    found = make_dataset()
    # 1,600 rows of 600 tokens.
    counter = LengthCounter()
    for _ in range(1600):
        counter.add(600, answer_tokens=300)
    Dataset.objects.filter(pk=found.pk).update(
        rows=1600, tokens=960_000, row_lengths=counter.lengths().as_json()
    )
    found.refresh_from_db()
    return found


def recipe(base_model: str = SMALL, **hyperparameters: object) -> Mapping[str, Any]:
    return recipes.freeze(
        method="sft",
        base_model=base_model,
        hyperparameters=hyperparameters,
        evaluation={"share": 0.0},
    )


def forecast(dataset: Dataset, offer: Offer, *others: Offer, **what: Any) -> OfferForecast:
    chosen = what["recipe"] if "recipe" in what else recipe(**what)
    found = forecasts.for_offers(
        dataset.user, recipe=chosen, dataset=dataset, offers=[offer, *others]
    )
    return next(each for each in found if each.offer == offer)


def test_the_total_is_the_rent_of_all_phases_rounded_up(dataset: Dataset) -> None:
    found = forecast(dataset, make_offer())

    # Boot 180 to 330 s, as nobody has told yet. Training: 1,600 rows of 600 tokens: 960,000 x 4
    # x 494 M (0.494 x 10^9) = 1.897 x 10^15; at 125 x 10^12 15.2 s at the peak, 43.4 to 60.7 s
    # at 35 to 25 %.
    boot, prepare, train, home, end = found.phases
    assert (boot.seconds.low, boot.seconds.high) == (180, 330)
    assert train.seconds.low == pytest.approx(43.4, abs=0.1)
    assert train.seconds.high == pytest.approx(60.7, abs=0.1)
    # 30 s between two lists and 10 s until one looks; at most 60 s more for the cloud to end it.
    assert (end.seconds.low, end.seconds.high) == (40, 100)
    assert found.seconds is not None
    assert found.cost_usd is not None
    low = sum(phase.seconds.low for phase in found.phases)
    assert found.seconds.low == pytest.approx(low)
    # Whole minutes, up; 1.29 USD an hour is 0.0215 a minute; cents, up.
    minutes = -(-low // 60)
    exact = Decimal("0.0215") * int(minutes)
    assert found.cost_usd.low == exact.quantize(Decimal("0.01"), rounding="ROUND_UP")
    assert {phase.basis for phase in (boot, prepare, home, end)} == {"usual times"}


def test_past_machines_replace_the_usual_times(dataset: Dataset) -> None:
    for seconds in (100, 110, 120):
        make_machine(login_at=NOON + timedelta(seconds=seconds))

    boot = forecast(dataset, make_offer()).phases[0]

    assert (boot.seconds.low, boot.seconds.high) == (105, 115)
    assert boot.basis == "3 machines of this installation"


def test_offers_come_by_their_likely_total_and_not_by_their_price(dataset: Dataset) -> None:
    found = forecasts.for_offers(
        dataset.user,
        recipe=recipe(LLAMA, num_train_epochs=3.0, per_device_train_batch_size=2),
        dataset=dataset,
        offers=ALL,
    )

    likely = [each.likely_usd for each in found]
    assert likely == sorted(likely, key=lambda total: total or Decimal(0))
    by_price = sorted(found, key=lambda each: each.offer.hourly_price_usd)
    assert list(found) != by_price


def test_what_does_not_fit_says_by_how_much_and_what_would(dataset: Dataset) -> None:
    small, large = make_offer("gpu_1x_a10"), make_offer("gpu_1x_a6000")

    found = forecast(dataset, small, large, base_model=LLAMA, max_length=2048)

    assert found.verdict == "does_not_fit"
    assert found.need is not None
    # 24 GB are 23.28 usable.
    assert found.reasons == (f"It lacks {found.need.gib - 23.28:.1f} GB of memory",)
    assert 0 < len(found.remedies) <= 3
    costs = [remedy.cost_usd.low + remedy.cost_usd.high for remedy in found.remedies]
    assert costs == sorted(costs)
    assert any(remedy.offer == large for remedy in found.remedies)


@pytest.mark.parametrize("max_length", [1024, 2048, 4096])
@pytest.mark.parametrize("at_once", [2, 4, 8])
@pytest.mark.parametrize("gradient_checkpointing", [True, False])
def test_the_cheapest_remedies_come_first(
    dataset: Dataset, max_length: int, at_once: int, gradient_checkpointing: bool
) -> None:
    asked = recipe(
        LLAMA,
        max_length=max_length,
        per_device_train_batch_size=at_once,
        gradient_checkpointing=gradient_checkpointing,
    )

    found = forecast(dataset, make_offer(), make_offer("gpu_1x_h100_pcie"), recipe=asked)

    costs = [remedy.cost_usd.low + remedy.cost_usd.high for remedy in found.remedies]
    assert costs
    assert costs == sorted(costs)


def test_each_remedy_really_makes_it_fit(dataset: Dataset) -> None:
    asked = recipe(LLAMA, max_length=2048, per_device_train_batch_size=4)
    offers = [make_offer("gpu_1x_a10"), make_offer("gpu_1x_a6000")]
    found = forecast(dataset, *offers, recipe=asked)

    for remedy in found.remedies:
        changed = recipe(
            LLAMA,
            **{"max_length": 2048, "per_device_train_batch_size": 4, **remedy.settings},
        )
        then = forecast(dataset, remedy.offer, recipe=changed)
        assert then.can_run
        assert then.cost_usd == remedy.cost_usd


def test_a_smaller_batch_keeps_the_size_of_a_step(dataset: Dataset) -> None:
    found = forecast(dataset, make_offer("gpu_1x_a10"), base_model=LLAMA)

    sizes = [
        remedy.settings["per_device_train_batch_size"]
        * remedy.settings["gradient_accumulation_steps"]  # type: ignore[operator]  # both whole
        for remedy in found.remedies
        if "per_device_train_batch_size" in remedy.settings
    ]
    assert sizes == [16]


def test_two_gpus_are_faster_and_tight_at_best_for_nobody_has_tried_them(dataset: Dataset) -> None:
    one, two = (forecast(dataset, make_offer(gpu_count=count)) for count in (1, 2))

    assert two.verdict == "tight"
    assert two.reasons[0].startswith("2 GPUs at once: tried with processes on a CPU alone")
    assert one.seconds is not None
    assert two.seconds is not None
    assert two.seconds.high < one.seconds.high


def test_a_model_too_large_for_one_card_is_spread_over_several_untried(dataset: Dataset) -> None:
    big = {"base_model": "meta-llama/Llama-3.3-70B-Instruct"}
    one, eight = (
        forecast(dataset, make_offer("gpu_1x_h100_pcie", gpu_count=count), **big)
        for count in (1, 8)
    )

    assert one.verdict == "does_not_fit"
    assert eight.verdict == "tight"
    assert eight.reasons[0] == "The weights spread over 8 GPUs (FSDP2): untried"
    assert eight.need is not None
    assert one.need is not None
    assert eight.need.weights * 8 == pytest.approx(one.need.weights, rel=1e-6)


@pytest.mark.parametrize(
    ("instance_type", "words"),
    [("gpu_1x_rtx6000", "No bf16"), ("gpu_1x_gh200", "ARM")],
)
def test_what_nobody_has_tried_is_tight_at_best(
    dataset: Dataset, instance_type: str, words: str
) -> None:
    found = forecast(dataset, make_offer(instance_type))

    assert found.verdict == "tight"
    assert words in " ".join(found.reasons)


def test_of_a_model_of_unknown_size_only_the_price_is_said(dataset: Dataset) -> None:
    found = forecasts.for_offers(
        dataset.user, recipe=recipe("somebody/model"), dataset=dataset, offers=ALL
    )

    prices = [each.offer.hourly_price_usd for each in found]
    assert prices == sorted(prices)
    assert {each.verdict for each in found} == {"unknown"}
    assert all(each.cost_usd is None and each.seconds is None for each in found)


def test_a_cpu_stand_in_gets_a_wide_range_and_says_so(dataset: Dataset, settings: Settings) -> None:
    settings.ALLOW_CPU_MACHINES = True
    settings.LAMBDA_API_BASE_URL = "http://127.0.0.1:9/api/v1"

    found = forecast(dataset, make_offer())

    train = found.phases[2]
    assert "speed is not known" in train.basis
    assert train.seconds.high > 10 * train.seconds.low
    assert "speed is not known" in found.reasons[-1]


def test_the_vendors_own_machines_are_never_taken_for_stand_ins(
    dataset: Dataset, settings: Settings
) -> None:
    settings.ALLOW_CPU_MACHINES = True

    assert "stand" not in forecast(dataset, make_offer()).phases[2].basis


def test_a_card_we_have_no_figures_of_gets_what_any_card_could_do(dataset: Dataset) -> None:
    offer = replace(make_offer(), gpu_name="R900", description="1x R900 (24 GB)")

    train, known = forecast(dataset, offer).phases[2], forecast(dataset, make_offer()).phases[2]

    assert train.seconds.low < known.seconds.low < known.seconds.high < train.seconds.high


def test_auto_takes_the_cheapest_total_of_what_fits(dataset: Dataset) -> None:
    found = forecasts.for_offers(
        dataset.user,
        recipe=recipe(LLAMA, per_device_train_batch_size=1, gradient_accumulation_steps=16),
        dataset=dataset,
        offers=ALL,
    )

    chosen = forecasts.cheapest_that_fits(found)

    assert chosen is not None
    assert chosen.verdict == "fits"
    fitting = [each for each in found if each.verdict == "fits"]
    assert chosen == fitting[0]


def test_auto_takes_nothing_where_nothing_fits(dataset: Dataset) -> None:
    found = forecasts.for_offers(
        make_user(),
        recipe=recipe("meta-llama/Llama-3.3-70B-Instruct"),
        dataset=dataset,
        offers=ALL,
    )

    assert forecasts.cheapest_that_fits(found) is None


def test_more_offers_ask_the_database_nothing_more(dataset: Dataset) -> None:
    user = dataset.user

    def queries(offers: list[Offer]) -> int:
        with CaptureQueriesContext(connection) as captured:
            forecasts.for_offers(user, recipe=recipe(), dataset=dataset, offers=offers)
        return len(captured)

    assert queries(ALL) == queries(ALL[:1])
