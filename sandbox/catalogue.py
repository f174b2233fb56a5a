"""What the sandbox sells: types, prices, regions, images, and how many machines are free.

Types and prices are those recorded from the live endpoint on 2026-08-20, regions those of the
vendor's documentation (lambda-cloud-api.md section 7). How many machines are free is invented, and
so are the images. The names that nvidia-smi prints are written from memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True)
class Card:
    """One kind of GPU, in the vendor's words and in nvidia-smi's."""

    description: str
    smi_name: str
    smi_memory_mib: int
    compute_capability: str


@dataclass(frozen=True)
class InstanceType:
    """One type of machine; the price is for the whole machine."""

    name: str
    card: Card
    gpus: int
    price_cents_per_hour: int
    vcpus: int
    memory_gib: int
    storage_gib: int
    architecture: str = "x86_64"

    @property
    def description(self) -> str:
        return f"{self.gpus}x {self.card.description}"


A10 = Card("A10 (24 GB PCIe)", "NVIDIA A10", 23028, "8.6")
A100_PCIE = Card("A100 (40 GB PCIe)", "NVIDIA A100-PCIE-40GB", 40960, "8.0")
A100_SXM4 = Card("A100 (40 GB SXM4)", "NVIDIA A100-SXM4-40GB", 40960, "8.0")
A100_80GB = Card("A100 (80 GB SXM4)", "NVIDIA A100-SXM4-80GB", 81920, "8.0")
A6000 = Card("A6000 (48 GB)", "NVIDIA RTX A6000", 49140, "8.6")
RTX6000 = Card("RTX 6000 (24 GB)", "Quadro RTX 6000", 24576, "7.5")
GH200 = Card("GH200 (96 GB)", "NVIDIA GH200 480GB", 97871, "9.0")
H100_PCIE = Card("H100 (80 GB PCIe)", "NVIDIA H100 PCIe", 81559, "9.0")
H100_SXM5 = Card("H100 (80 GB SXM5)", "NVIDIA H100 80GB HBM3", 81559, "9.0")
B200 = Card("B200 (180 GB SXM6)", "NVIDIA B200", 183359, "10.0")
V100 = Card("Tesla V100 (16 GB)", "Tesla V100-SXM2-16GB", 16384, "7.0")

INSTANCE_TYPES = (
    InstanceType("gpu_1x_a10", A10, 1, 129, 30, 200, 1400),
    InstanceType("gpu_1x_a100", A100_PCIE, 1, 199, 30, 200, 512),
    InstanceType("gpu_1x_a100_sxm4", A100_SXM4, 1, 199, 30, 200, 512),
    InstanceType("gpu_1x_a6000", A6000, 1, 109, 14, 100, 200),
    InstanceType("gpu_1x_rtx6000", RTX6000, 1, 69, 14, 46, 512),
    InstanceType("gpu_1x_gh200", GH200, 1, 229, 64, 432, 4096, "arm64"),
    InstanceType("gpu_1x_h100_pcie", H100_PCIE, 1, 329, 26, 200, 1024),
    InstanceType("gpu_1x_h100_sxm5", H100_SXM5, 1, 429, 26, 225, 2816),
    InstanceType("gpu_1x_b200_sxm6", B200, 1, 699, 26, 360, 2816),
    InstanceType("gpu_2x_a100", A100_PCIE, 2, 398, 60, 400, 1024),
    InstanceType("gpu_4x_a100", A100_PCIE, 4, 796, 120, 800, 1024),
    InstanceType("gpu_2x_a6000", A6000, 2, 218, 28, 200, 1024),
    InstanceType("gpu_4x_a6000", A6000, 4, 436, 56, 400, 1024),
    InstanceType("gpu_2x_h100_sxm5", H100_SXM5, 2, 838, 52, 450, 5632),
    InstanceType("gpu_4x_h100_sxm5", H100_SXM5, 4, 1636, 104, 900, 11264),
    InstanceType("gpu_2x_b200_sxm6", B200, 2, 1378, 52, 720, 5632),
    InstanceType("gpu_4x_b200_sxm6", B200, 4, 2716, 104, 1440, 11264),
    InstanceType("gpu_8x_a100", A100_SXM4, 8, 1592, 124, 1800, 6144),
    InstanceType("gpu_8x_a100_80gb_sxm4", A100_80GB, 8, 2232, 240, 1800, 20480),
    InstanceType("gpu_8x_h100_sxm5", H100_SXM5, 8, 3192, 208, 1800, 22528),
    InstanceType("gpu_8x_b200_sxm6", B200, 8, 5352, 208, 2900, 22528),
    InstanceType("gpu_8x_v100", V100, 8, 632, 92, 448, 6041),
    InstanceType("gpu_8x_v100_n", V100, 8, 632, 88, 448, 6041),
)

REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "us-east-1": "Virginia, USA",
        "us-east-2": "Washington DC, USA",
        "us-east-3": "Washington DC, USA",
        "us-west-1": "California, USA",
        "us-west-2": "Arizona, USA",
        "us-west-3": "Utah, USA",
        "us-midwest-1": "Illinois, USA",
        "us-south-1": "Texas, USA",
        "us-south-2": "North Texas, USA",
        "us-south-3": "Central Texas, USA",
        "europe-central-1": "Germany",
        "asia-south-1": "India",
        "asia-northeast-1": "Tokyo, Japan",
        "asia-northeast-2": "Osaka, Japan",
        "me-west-1": "Israel",
        "australia-east-1": "Australia",
    }
)

# Free machines by type and region at the start. What is not named here is sold out.
FREE_MACHINES: Mapping[tuple[str, str], int] = MappingProxyType(
    {
        ("gpu_1x_a10", "us-east-1"): 8,
        ("gpu_1x_a10", "us-west-1"): 8,
        ("gpu_1x_a10", "europe-central-1"): 4,
        ("gpu_1x_a100", "us-east-1"): 4,
        ("gpu_1x_a100_sxm4", "us-west-2"): 4,
        ("gpu_1x_a100_sxm4", "asia-south-1"): 2,
        ("gpu_1x_a6000", "us-south-1"): 4,
        ("gpu_1x_rtx6000", "us-east-1"): 4,
        ("gpu_1x_gh200", "us-east-3"): 4,
        ("gpu_1x_h100_pcie", "us-west-3"): 4,
        ("gpu_1x_h100_sxm5", "us-south-2"): 2,
        ("gpu_2x_a100", "us-east-1"): 2,
        ("gpu_2x_h100_sxm5", "us-south-3"): 2,
        ("gpu_8x_a100", "us-west-1"): 2,
        ("gpu_8x_h100_sxm5", "us-south-2"): 1,
        ("gpu_8x_v100", "us-south-1"): 2,
    }
)


@dataclass(frozen=True)
class Image:
    """One machine image; it is offered in every region."""

    image_id: str
    name: str
    description: str
    family: str
    version: str
    architecture: str = "x86_64"
    time: str = "2026-01-15T00:00:00+00:00"


def _image(number: int, family: str, description: str, version: str, architecture: str) -> Image:
    image_id = f"5b7e1c7e-6c0d-4e3f-9a52-0c2f6d1f0a{number:02}"
    return Image(image_id, family, description, family, version, architecture)


# The first of an architecture is what a launch gets that names none.
IMAGES = (
    _image(1, "lambda-stack-22-04", "Lambda Stack on Ubuntu 22.04", "22.4.5", "x86_64"),
    _image(2, "lambda-stack-22-04", "Lambda Stack on Ubuntu 22.04", "22.4.5", "arm64"),
    _image(3, "lambda-stack-24-04", "Lambda Stack on Ubuntu 24.04", "24.4.1", "x86_64"),
    _image(4, "lambda-stack-24-04", "Lambda Stack on Ubuntu 24.04", "24.4.1", "arm64"),
    _image(5, "gpu-base-22-04", "GPU Base on Ubuntu 22.04", "22.4.5", "x86_64"),
)


class CatalogueError(Exception):
    """A type or a region that the sandbox does not sell."""


class Catalogue:
    """The types on offer at their present prices, and the free machines."""

    def __init__(self) -> None:
        self._types = {kind.name: kind for kind in INSTANCE_TYPES}
        self._free = dict(FREE_MACHINES)

    def types(self) -> tuple[InstanceType, ...]:
        return tuple(self._types.values())

    def instance_type(self, name: str) -> InstanceType | None:
        return self._types.get(name)

    def free(self, instance_type: str, region: str) -> int:
        return self._free.get((instance_type, region), 0)

    def free_regions(self, instance_type: str) -> list[str]:
        return [region for region in REGIONS if self.free(instance_type, region) > 0]

    def take(self, instance_type: str, region: str) -> bool:
        """Take one free machine; False when there is none."""
        if self.free(instance_type, region) == 0:
            return False
        self._free[instance_type, region] -= 1
        return True

    def give_back(self, instance_type: str, region: str) -> None:
        self._free[instance_type, region] = self.free(instance_type, region) + 1

    def set_price(self, instance_type: str, *, price_cents_per_hour: int) -> None:
        """Change a price; machines already launched keep the one they were launched at."""
        kind = self._known(instance_type)
        self._types[instance_type] = replace(kind, price_cents_per_hour=price_cents_per_hour)

    def set_free(self, instance_type: str, region: str, *, free: int) -> None:
        self._known(instance_type)
        if region not in REGIONS:
            raise CatalogueError(f"There is no region {region}.")
        self._free[instance_type, region] = free

    def prices(self) -> dict[str, int]:
        return {kind.name: kind.price_cents_per_hour for kind in self.types()}

    def capacity(self) -> dict[str, dict[str, int]]:
        """Return the free machines as {type: {region: number}}, without what is sold out."""
        return {
            kind.name: {region: self.free(kind.name, region) for region in regions}
            for kind in self.types()
            if (regions := self.free_regions(kind.name))
        }

    def _known(self, instance_type: str) -> InstanceType:
        kind = self.instance_type(instance_type)
        if kind is None:
            raise CatalogueError(f"There is no instance type {instance_type}.")
        return kind
