"""Offers as a cloud makes them, for tests that need no cloud."""

from decimal import Decimal
from typing import Any

from deployments.providers.base import Offer

CARDS = {
    "gpu_1x_a10": ("A10", "1x A10 (24 GB PCIe)", 24, "1.29"),
    "gpu_1x_rtx6000": ("RTX 6000", "1x RTX 6000 (24 GB)", 24, "0.69"),
    "gpu_1x_a6000": ("A6000", "1x A6000 (48 GB)", 48, "1.09"),
    "gpu_1x_a100_sxm4": ("A100", "1x A100 (40 GB SXM4)", 40, "1.99"),
    "gpu_1x_gh200": ("GH200", "1x GH200 (96 GB)", 96, "2.29"),
    "gpu_1x_h100_pcie": ("H100", "1x H100 (80 GB PCIe)", 80, "3.29"),
}


def make_offer(instance_type: str = "gpu_1x_a10", **fields: Any) -> Offer:
    """Make a free machine in Virginia; one without a region is sold out."""
    gpu_name, description, vram_gib, price = CARDS.get(
        instance_type, ("A10", "1x A10 (24 GB PCIe)", 24, "1.29")
    )
    region = fields.pop("region", "us-east-1")
    values: dict[str, Any] = {
        "platform": "lambda",
        "instance_type": instance_type,
        "region": region,
        "region_description": "Virginia, USA" if region else "",
        "description": description,
        "gpu_name": gpu_name,
        "gpu_count": 1,
        "vram_gib": vram_gib,
        "vcpus": 30,
        "memory_gib": 200,
        "storage_gib": 1400,
        "architecture": "arm64" if "gh200" in instance_type else "x86_64",
        "hourly_price_usd": Decimal(price),
        "available": region != "",
    }
    return Offer(**(values | fields))
