"""A cloud's catalogue without a cloud, and quick paces."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import responses
from pytest_django.fixtures import Settings

BASE_URL = "http://127.0.0.1:9/api/v1"
# Recorded shape: Lambda Cloud API 1.10.0, GET /instance-types, shortened to two types.
CATALOGUE = {
    "data": {
        "gpu_1x_a10": {
            "instance_type": {
                "name": "gpu_1x_a10",
                "description": "1x A10 (24 GB PCIe)",
                "gpu_description": "A10 (24 GB PCIe)",
                "price_cents_per_hour": 129,
                "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
                "architecture": "x86_64",
            },
            "regions_with_capacity_available": [
                {"name": "us-east-1", "description": "Virginia, USA"},
                {"name": "us-west-1", "description": "California, USA"},
            ],
        },
        "gpu_1x_h100_pcie": {
            "instance_type": {
                "name": "gpu_1x_h100_pcie",
                "description": "1x H100 (80 GB PCIe)",
                "gpu_description": "H100 (80 GB PCIe)",
                "price_cents_per_hour": 329,
                "specs": {"vcpus": 26, "memory_gib": 200, "storage_gib": 1024, "gpus": 1},
                "architecture": "x86_64",
            },
            "regions_with_capacity_available": [],
        },
    }
}


@pytest.fixture
def cloud(settings: Settings) -> Iterator[responses.RequestsMock]:
    """Answer the cloud's catalogue; a test adds what else the cloud says."""
    settings.LAMBDA_API_BASE_URL = BASE_URL
    settings.TIMING = replace(settings.TIMING, request_interval_seconds=0.0)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE_URL}/instance-types", json=CATALOGUE)
        yield mock
