"""A cloud's catalogue as rich as the real one, and a draft that has come as far as Hardware."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from datasets.lengths import LengthCounter
from datasets.models import Dataset
from deployments import drafts
from deployments.models import Draft
from tests import builders
from tests.deployments.api.conftest import BASE_URL

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
REGIONS = {
    "us-east-1": "Virginia, USA",
    "us-west-3": "Utah, USA",
    "us-south-1": "Texas, USA",
    "us-midwest-1": "Illinois, USA",
    "europe-central-1": "Germany",
}
# Type, what the cloud calls it, its GPUs, cents an hour, where it is free, its processor. Types
# and prices as recorded on 2026-08-20 (lambda-cloud-api.md section 7).
KINDS: tuple[tuple[str, str, int, int, tuple[str, ...], str], ...] = (
    ("gpu_1x_a10", "A10 (24 GB PCIe)", 1, 129, ("us-east-1",), "x86_64"),
    ("gpu_1x_a100_sxm4", "A100 (40 GB SXM4)", 1, 199, (), "x86_64"),
    ("gpu_1x_a6000", "A6000 (48 GB)", 1, 109, (), "x86_64"),
    ("gpu_1x_rtx6000", "RTX 6000 (24 GB)", 1, 69, ("us-east-1",), "x86_64"),
    ("gpu_1x_gh200", "GH200 (96 GB)", 1, 229, ("us-midwest-1",), "arm64"),
    ("gpu_1x_h100_pcie", "H100 (80 GB PCIe)", 1, 329, ("us-west-3",), "x86_64"),
    ("gpu_1x_h100_sxm5", "H100 (80 GB SXM5)", 1, 429, ("us-south-1",), "x86_64"),
    ("gpu_2x_a100", "A100 (40 GB PCIe)", 2, 398, ("us-east-1",), "x86_64"),
    ("gpu_8x_a100", "A100 (40 GB SXM4)", 8, 1592, ("us-east-1",), "x86_64"),
)


def catalogue(
    *, cents: Mapping[str, int] = MappingProxyType({}), **free: tuple[str, ...]
) -> dict[str, Any]:
    """Return the cloud's answer; ``cents`` and ``free`` say by type what holds instead."""
    return {
        "data": {
            name: {
                "instance_type": {
                    "name": name,
                    "description": f"{gpus}x {card}",
                    "gpu_description": card,
                    "price_cents_per_hour": cents.get(name, price),
                    "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 512, "gpus": gpus},
                    "architecture": architecture,
                },
                "regions_with_capacity_available": [
                    {"name": region, "description": REGIONS[region]}
                    for region in free.get(name, regions)
                ],
            }
            for name, card, gpus, price, regions, architecture in KINDS
        }
    }


@pytest.fixture
def market(settings: Settings) -> Iterator[responses.RequestsMock]:
    """Answer the cloud's catalogue; the browser's own requests do not pass here."""
    settings.LAMBDA_API_BASE_URL = BASE_URL
    settings.TIMING = replace(settings.TIMING, request_interval_seconds=0.0)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE_URL}/instance-types", json=catalogue())
        yield mock


def again(market: responses.RequestsMock, **changes: Any) -> None:
    """Let the cloud answer otherwise from now on."""
    market.replace(responses.GET, f"{BASE_URL}/instance-types", json=catalogue(**changes))


def support_answers(user: User) -> Dataset:
    """Make 1,600 rows of 300 to 900 tokens; the file itself is small."""
    found = builders.make_dataset(user, name="Support answers")
    counter = LengthCounter()
    for number in range(1600):
        counter.add(300 + number * 600 // 1600, answer_tokens=200)
    lengths = counter.lengths()
    found.rows, found.tokens, found.row_lengths = 1600, lengths.tokens, lengths.as_json()
    found.save()
    return found


def ready_draft(user: User, *, with_key: bool = True, **values: Any) -> Draft:
    """Make a draft with data, method, model and training chosen, and a key in the vault."""
    if with_key:
        builders.make_vault_entry(user)
    draft = drafts.begin(user, dataset=support_answers(user))
    chosen = {
        "method": "sft",
        "base_model": LLAMA,
        "preset": "balanced",
        "hyperparameters": {"max_length": 1024},
        "eval": {"share": 0.05},
        "warnings_seen": ["too_few_rows"],
    }
    return drafts.change(draft, {**chosen, **values})
