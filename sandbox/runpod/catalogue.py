"""What RunPod sells in the sandbox: GPU types, data centres, prices, free GPUs.

Ids, prices and data centres are those of runpod-api.md section 8 (2026, of differing weight). How
many GPUs are free, what CUDA version their hosts have, and prices marked there as not found are
invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from sandbox.catalogue import (
    A100_80GB,
    A6000,
    B200,
    H100_PCIE,
    H100_SXM5,
    INSTANCE_TYPES,
    Card,
    CatalogueError,
    InstanceType,
)

VCPUS_PER_GPU = 8
MEMORY_GB_PER_GPU = 48


class Tier(StrEnum):
    """Secure Cloud or Community Cloud."""

    SECURE = "SECURE"
    COMMUNITY = "COMMUNITY"


@dataclass(frozen=True)
class GpuType:
    """One GPU; prices are for one, a price of 0 means that the tier does not sell it."""

    gpu_id: str
    name: str
    memory_gb: int
    card: Card
    secure_cents: int
    community_cents: int
    max_count: int = 8
    manufacturer: str = "NVIDIA"

    def cents(self, tier: Tier) -> int:
        return self.secure_cents if tier is Tier.SECURE else self.community_cents

    def instance_type(self, *, count: int, tier: Tier, disk_gb: int) -> InstanceType:
        """Return a pod of so many of these GPUs as a type of machine."""
        return InstanceType(
            name=self.gpu_id,
            card=self.card,
            gpus=count,
            price_cents_per_hour=self.cents(tier) * count,
            vcpus=VCPUS_PER_GPU * count,
            memory_gib=MEMORY_GB_PER_GPU * count,
            storage_gib=disk_gb,
        )


def _gpu(
    gpu_id: str,
    name: str,
    memory_gb: int,
    compute_capability: str,
    secure_cents: int,
    community_cents: int = 0,
) -> GpuType:
    card = Card(name, gpu_id, memory_gb * 1024 - 444, compute_capability)
    return GpuType(gpu_id, name, memory_gb, card, secure_cents, community_cents)


GPU_TYPES = (
    GpuType("NVIDIA A100 80GB PCIe", "A100 PCIe", 80,
            Card("A100 PCIe", "NVIDIA A100 80GB PCIe", 81920, "8.0"), 139, 119),
    GpuType("NVIDIA A100-SXM4-80GB", "A100 SXM", 80, A100_80GB, 159, 0),
    GpuType("NVIDIA H100 PCIe", "H100 PCIe", 80, H100_PCIE, 289, 0),
    GpuType("NVIDIA H100 80GB HBM3", "H100 SXM", 80, H100_SXM5, 329, 0),
    _gpu("NVIDIA H100 NVL", "H100 NVL", 94, "9.0", 319, 139),
    _gpu("NVIDIA H200", "H200 SXM", 141, "9.0", 459),
    GpuType("NVIDIA B200", "B200", 180, B200, 599, 0),
    _gpu("NVIDIA GeForce RTX 4090", "RTX 4090", 24, "8.9", 74, 34),
    _gpu("NVIDIA GeForce RTX 5090", "RTX 5090", 32, "12.0", 99, 69),
    _gpu("NVIDIA GeForce RTX 3090", "RTX 3090", 24, "8.6", 46, 22),
    GpuType("NVIDIA RTX A6000", "RTX A6000", 48, A6000, 53, 33, max_count=10),
    _gpu("NVIDIA A40", "A40", 48, "8.6", 35),
    _gpu("NVIDIA L40S", "L40S", 48, "8.9", 86, 79),
    _gpu("NVIDIA L4", "L4", 24, "8.9", 49),
    _gpu("NVIDIA RTX A5000", "RTX A5000", 24, "8.6", 27, 16),
    _gpu("NVIDIA RTX A4000", "RTX A4000", 16, "8.6", 25, 17),
    _gpu("NVIDIA RTX 2000 Ada Generation", "RTX 2000 Ada", 16, "8.9", 24, 16),
    _gpu("NVIDIA RTX PRO 4500 Blackwell", "RTX PRO 4500", 32, "12.0", 72, 34),
    replace(_gpu("AMD Instinct MI300X OAM", "MI300X", 192, "9.4", 239, 50), manufacturer="AMD"),
)  # fmt: skip

# The continent of each data centre, in v2's words.
DATA_CENTERS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("CA-MTL-1", "CA-MTL-2", "CA-MTL-3", "US-CA-2", "US-DE-1", "US-GA-1", "US-GA-2",
             "US-IL-1", "US-KS-2", "US-KS-3", "US-NC-1", "US-TX-1", "US-TX-3", "US-TX-4",
             "US-WA-1"),
            "NORTH_AMERICA",
        ),
        **dict.fromkeys(
            ("EU-CZ-1", "EU-FR-1", "EU-NL-1", "EU-RO-1", "EU-SE-1", "EUR-IS-1", "EUR-IS-2",
             "EUR-IS-3", "EUR-NO-1"),
            "EUROPE",
        ),
        "AP-JP-1": "ASIA",
        "OC-AU-1": "OCEANIA",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Spot:
    """Where GPUs of one type stand: which data centre, which tier, what its hosts' driver takes."""

    gpu_id: str
    data_center: str
    tier: Tier
    cuda_version: str = "12.8"


def _stock(gpu_id: str, tier: Tier, free: Mapping[str, int]) -> dict[Spot, int]:
    return {Spot(gpu_id, center, tier): count for center, count in free.items()}


# Free GPUs at the start. What is not named here is sold out.
FREE_GPUS: Mapping[Spot, int] = MappingProxyType(
    {
        **_stock("NVIDIA A100 80GB PCIe", Tier.SECURE, {"US-KS-2": 16, "CA-MTL-1": 8}),
        **_stock("NVIDIA A100-SXM4-80GB", Tier.SECURE, {"US-KS-2": 8, "EU-RO-1": 8}),
        **_stock("NVIDIA H100 80GB HBM3", Tier.SECURE, {"US-TX-3": 8, "AP-JP-1": 8}),
        **_stock("NVIDIA H100 PCIe", Tier.SECURE, {"US-KS-2": 4}),
        **_stock("NVIDIA H100 NVL", Tier.COMMUNITY, {"EU-FR-1": 2}),
        **_stock("NVIDIA H200", Tier.SECURE, {"EUR-NO-1": 4}),
        **_stock("NVIDIA GeForce RTX 4090", Tier.SECURE, {"EU-RO-1": 16, "US-TX-3": 8}),
        **_stock("NVIDIA GeForce RTX 4090", Tier.COMMUNITY, {"EU-CZ-1": 12, "US-GA-1": 4}),
        **_stock("NVIDIA GeForce RTX 5090", Tier.SECURE, {"EU-RO-1": 4}),
        **_stock("NVIDIA GeForce RTX 3090", Tier.COMMUNITY, {"US-IL-1": 6}),
        **_stock("NVIDIA RTX A6000", Tier.SECURE, {"EU-SE-1": 10}),
        **_stock("NVIDIA A40", Tier.SECURE, {"EU-SE-1": 10, "CA-MTL-1": 4}),
        **_stock("NVIDIA L40S", Tier.SECURE, {"US-TX-4": 8}),
        **_stock("NVIDIA L4", Tier.SECURE, {"EU-RO-1": 8, "US-IL-1": 3}),
        **_stock("NVIDIA RTX A5000", Tier.COMMUNITY, {"EU-CZ-1": 6}),
        **_stock("NVIDIA RTX A4000", Tier.SECURE, {"EU-RO-1": 8}),
        Spot("NVIDIA RTX A4000", "EU-SE-1", Tier.SECURE, cuda_version="12.4"): 4,
        **_stock("NVIDIA RTX 2000 Ada Generation", Tier.SECURE, {"EU-RO-1": 8}),
        **_stock("NVIDIA RTX PRO 4500 Blackwell", Tier.SECURE, {"EU-RO-1": 2}),
        **_stock("AMD Instinct MI300X OAM", Tier.SECURE, {"EU-RO-1": 4}),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """What a create looks for; empty data centres and CUDA versions mean any."""

    gpu_id: str
    count: int
    tiers: tuple[Tier, ...] = (Tier.SECURE,)
    data_centers: tuple[str, ...] = ()
    country_codes: tuple[str, ...] = ()
    cuda_versions: tuple[str, ...] = ()
    min_cuda_version: str = ""

    def fits(self, spot: Spot) -> bool:
        return (
            spot.gpu_id == self.gpu_id
            and spot.tier in self.tiers
            and (not self.data_centers or spot.data_center in self.data_centers)
            and (not self.country_codes or country_code(spot.data_center) in self.country_codes)
            and (not self.cuda_versions or spot.cuda_version in self.cuda_versions)
            and version(spot.cuda_version) >= version(self.min_cuda_version or "0")
        )


def sold_types() -> tuple[InstanceType, ...]:
    """Return a type of every card of both clouds, for faults that name one."""
    pods = [kind.instance_type(count=1, tier=Tier.SECURE, disk_gb=0) for kind in GPU_TYPES]
    return (*INSTANCE_TYPES, *pods)


class PodCatalogue:
    """The GPU types at their present prices, and the free GPUs."""

    def __init__(self) -> None:
        self._types = {kind.gpu_id: kind for kind in GPU_TYPES}
        self._free = dict(FREE_GPUS)

    def types(self) -> tuple[GpuType, ...]:
        return tuple(self._types.values())

    def gpu_type(self, gpu_id: str) -> GpuType | None:
        return self._types.get(gpu_id)

    def most_free(self, wish: Wish) -> int:
        """Return how many GPUs the best fitting data centre has free for one pod."""
        return max((free for spot, free in self._free.items() if wish.fits(spot)), default=0)

    def spots(self, gpu_id: str) -> list[Spot]:
        """Return every place where the type has ever stood."""
        return [spot for spot in self._free if spot.gpu_id == gpu_id]

    def free(self, spot: Spot) -> int:
        return self._free.get(spot, 0)

    def take(self, wish: Wish) -> Spot | None:
        """Take the GPUs where most are free; None when no place has enough."""
        fitting = [spot for spot in self._free if wish.fits(spot)]
        best = max(fitting, key=self.free, default=None)
        if best is None or not self.take_at(best, count=wish.count):
            return None
        return best

    def take_at(self, spot: Spot, *, count: int) -> bool:
        if self.free(spot) < count:
            return False
        self._free[spot] -= count
        return True

    def give_back(self, spot: Spot, count: int) -> None:
        self._free[spot] = self.free(spot) + count

    def set_price(self, gpu_id: str, *, price_cents_per_hour: int, tier: Tier) -> None:
        """Change the price of one GPU; pods already created keep theirs."""
        kind = self._known(gpu_id)
        if tier is Tier.SECURE:
            self._types[gpu_id] = replace(kind, secure_cents=price_cents_per_hour)
        else:
            self._types[gpu_id] = replace(kind, community_cents=price_cents_per_hour)

    def set_free(self, gpu_id: str, data_center: str, *, free: int, tier: Tier) -> None:
        self._known(gpu_id)
        if data_center not in DATA_CENTERS:
            raise CatalogueError(f"There is no data center {data_center}.")
        known = [spot for spot in self.spots(gpu_id) if spot.data_center == data_center]
        same_tier = [spot for spot in known if spot.tier is tier]
        self._free[same_tier[0] if same_tier else Spot(gpu_id, data_center, tier)] = free

    def prices(self) -> dict[str, dict[str, int]]:
        return {kind.gpu_id: {tier: kind.cents(tier) for tier in Tier} for kind in self.types()}

    def capacity(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return the free GPUs as {tier: {gpu: {data center: number}}}, without the sold out."""
        shown: dict[str, dict[str, dict[str, int]]] = {tier: {} for tier in Tier}
        for spot, free in self._free.items():
            if free > 0:
                shown[spot.tier].setdefault(spot.gpu_id, {})[spot.data_center] = free
        return shown

    def _known(self, gpu_id: str) -> GpuType:
        kind = self.gpu_type(gpu_id)
        if kind is None:
            raise CatalogueError(f"There is no GPU type {gpu_id}.")
        return kind


def availability(free: int, *, count: int = 1) -> str:
    """Return v2's word for so many free GPUs; where the lines are drawn is invented."""
    if free < count:
        return "NONE"
    if free < 4 * count:
        return "LOW"
    return "MEDIUM" if free < 8 * count else "HIGH"


def country_code(data_center: str) -> str:
    """Return the country of a data centre: the first part of its id, or the second in Europe."""
    first, second = data_center.split("-")[:2]
    return {"EU": second, "EUR": second, "AP": second, "OC": second}.get(first, first)


def version(text: str) -> tuple[int, ...]:
    """Return a version as numbers, so that 12.11 is above 12.2."""
    return tuple(int(part) for part in text.split("."))
