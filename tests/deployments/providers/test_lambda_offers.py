"""What Lambda offers: types, prices, GPUs and regions, read leniently."""

from decimal import Decimal

import pytest

from deployments.providers.base import (
    ProviderUnavailableError,
)
from tests.deployments.providers.doubles import (
    a10_type,
    good,
)
from tests.deployments.providers.lambda_answers import answered, offered


def test_a_type_is_offered_once_per_region_with_capacity() -> None:
    offers = offered(gpu_1x_a10=a10_type(regions=["us-east-1", "us-west-1", "us-east-1"]))

    assert [(offer.region, offer.available) for offer in offers] == [
        ("us-east-1", True),
        ("us-west-1", True),
    ]
    offer = offers[0]
    assert offer.region_description == "described us-east-1"
    assert offer.hourly_price_usd == Decimal("1.29")
    assert (offer.gpu_name, offer.gpu_count, offer.vram_gib) == ("A10", 1, 24)
    assert (offer.vcpus, offer.memory_gib, offer.storage_gib) == (30, 200, 1400)
    assert offer.description == "1x A10 (24 GB PCIe)"


def test_a_type_without_capacity_is_shown_as_not_available() -> None:
    (offer,) = offered(gpu_1x_a10=a10_type())

    assert (offer.region, offer.available) == ("", False)


@pytest.mark.parametrize(
    ("description", "gpu_description", "name", "count", "vram"),
    [
        ("8x Tesla V100 (16 GB)", "Tesla V100 (16 GB)", "Tesla V100", 8, 16),
        ("1x RTX 6000 (24 GB)", "RTX 6000 (24 GB)", "RTX 6000", 1, 24),
        ("8x H100 (80 GB SXM5)", "H100 (80 GB SXM5)", "H100", 8, 80),
        ("1x B200 (180 GB SXM6)", None, "B200", 1, 180),
        ("1x A100", "A100 (40GB PCIe)", "A100", 1, 40),
        ("1x Z9", "Z9", "Z9", 1, None),
    ],
)
def test_the_gpu_and_its_memory_are_read_from_the_descriptions(
    description: str, gpu_description: str | None, name: str, count: int, vram: int | None
) -> None:
    kind = a10_type(
        description=description,
        gpu_description=gpu_description,
        specs={"vcpus": 1, "memory_gib": 1, "storage_gib": 1, "gpus": count},
    )

    (offer,) = offered(gpu_x=kind)

    assert (offer.gpu_name, offer.gpu_count, offer.vram_gib) == (name, count, vram)


def test_without_specs_the_number_of_gpus_stands_in_the_description() -> None:
    (offer,) = offered(gpu_8x=a10_type(description="8x A10 (24 GB PCIe)", specs=None))

    assert (offer.gpu_count, offer.vcpus) == (8, 0)


@pytest.mark.parametrize(
    ("name", "said", "architecture"),
    [
        ("gpu_1x_a10", "x86_64", "x86_64"),
        ("gpu_1x_gh200", "arm64", "arm64"),
        ("gpu_1x_gh200", None, "arm64"),
        ("gpu_1x_a10", None, "x86_64"),
        ("gpu_1x_gb300", "aarch64", "arm64"),
        ("gpu_1x_a10", "riscv64", "x86_64"),
    ],
)
def test_the_architecture_is_what_lambda_says_or_else_follows_from_the_name(
    name: str, said: str | None, architecture: str
) -> None:
    (offer,) = offered(**{name: a10_type(name=name, architecture=said)})

    assert offer.architecture == architecture


@pytest.mark.parametrize("price", [None, 0, -129, True, "free", "nan", [], 10**12])
def test_a_type_without_a_price_is_not_offered(price: object) -> None:
    offers = offered(
        gpu_1x_a10=a10_type(regions=["us-east-1"]),
        gpu_odd=a10_type(name="gpu_odd", price_cents_per_hour=price),
    )

    assert [offer.instance_type for offer in offers] == ["gpu_1x_a10"]


def test_a_machine_without_a_gpu_is_not_offered() -> None:
    cpu_only = a10_type(
        name="cpu_4x_general",
        description="4x CPU cores",
        gpu_description="N/A",
        specs={"vcpus": 4, "memory_gib": 16, "storage_gib": 512, "gpus": 0},
    )

    offers = offered(gpu_1x_a10=a10_type(), cpu_4x_general=cpu_only)

    assert [offer.instance_type for offer in offers] == ["gpu_1x_a10"]


def test_a_catalogue_of_which_nothing_can_be_read_is_an_error() -> None:
    with pytest.raises(ProviderUnavailableError):
        offered(gpu_1x_a10=None, gpu_odd={"instance_type": 7})


@pytest.mark.parametrize("data", [None, [], "types", 7])
def test_a_catalogue_of_another_shape_is_an_error(data: object) -> None:
    with pytest.raises(ProviderUnavailableError):
        answered(good(data), lambda cloud: cloud.offers())
