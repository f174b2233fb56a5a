"""The same card at several clouds: what is compared, what is not, and by how much it differs."""

from decimal import Decimal

from deployments import prices
from tests.deployments.offers import make_offer


def test_a_card_is_compared_under_one_name_with_what_10_and_50_hours_cost() -> None:
    (row,) = prices.by_card(
        [
            make_offer("gpu_1x_a6000"),
            make_offer(
                "1x NVIDIA RTX A6000",
                platform="runpod",
                gpu_name="NVIDIA RTX A6000",
                description="1x RTX A6000 (48 GB)",
                vram_gib=48,
                hourly_price_usd=Decimal("0.5437"),
            ),
        ]
    )

    assert (row.gpu, row.vram_gib, row.only_at) == ("A6000", 48, None)
    assert [price.cloud for price in row.prices] == ["RunPod", "Lambda"]
    assert [(price.hours_10_usd, price.hours_50_usd) for price in row.prices] == [
        (Decimal("5.44"), Decimal("27.19")),
        (Decimal("10.90"), Decimal("54.50")),
    ]
    # 1.09 / 0.5437 = 2.0048
    assert [price.more_percent for price in row.prices] == [Decimal("0.0"), Decimal("100.5")]
    assert row.difference_percent == Decimal("100.5")


def test_a_card_that_one_cloud_has_alone_says_so_and_comes_after_those_with_a_choice() -> None:
    alone = make_offer("gpu_1x_rtx6000")
    both = [make_offer(), make_offer(platform="runpod", hourly_price_usd=Decimal("1.50"))]

    first, second = prices.by_card([alone, *both])

    assert (first.gpu, first.only_at) == ("A10", None)
    assert second.only_at is not None
    assert (second.gpu, second.only_at.cloud) == ("RTX 6000", "Lambda")
    assert second.difference_percent is None


def test_cards_with_other_memory_are_other_cards() -> None:
    small, large = (
        make_offer("gpu_1x_a100_sxm4"),
        make_offer("gpu_1x_a100_sxm4", platform="runpod", vram_gib=80),
    )

    assert [row.vram_gib for row in prices.by_card([small, large])] == [40, 80]


def test_of_one_cloud_the_cheapest_free_machine_counts_before_a_cheaper_sold_out_one() -> None:
    free = make_offer(hourly_price_usd=Decimal("1.40"))
    dearer = make_offer(region="us-west-1", hourly_price_usd=Decimal("1.45"))
    sold_out = make_offer(region="", hourly_price_usd=Decimal("1.00"))

    (row,) = prices.by_card([dearer, sold_out, free])

    assert row.prices[0].offer == free


def test_several_gpus_and_ones_own_machines_are_not_compared() -> None:
    many = make_offer(gpu_count=8)
    own = make_offer(platform="ssh", hourly_price_usd=Decimal(0))

    assert prices.by_card([many, own]) == ()


def test_a_price_of_zero_is_no_division_by_zero() -> None:
    free = make_offer(hourly_price_usd=Decimal(0))

    (row,) = prices.by_card([free, make_offer(platform="runpod")])

    assert row.difference_percent == Decimal("0.0")
