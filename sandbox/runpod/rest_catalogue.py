"""The endpoints under /v2/catalog: GPU types and data centres with stock."""

from sandbox.runpod.catalogue import (
    DATA_CENTERS,
    GpuType,
    PodCatalogue,
    Tier,
    Wish,
    availability,
)
from sandbox.runpod.pod_json import Json
from sandbox.runpod.problems import ProblemError, invalid
from sandbox.wire_call import Call, Route

# What the hosts of the sandbox have; the catalogue names them all.
CUDA_VERSIONS = ("12.4", "12.8")


class CatalogueEndpoints:
    """What is sold, and where some of it is free."""

    def __init__(self, catalogue: PodCatalogue) -> None:
        self._catalogue = catalogue

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/catalog/gpus", "instance-types", self._gpus),
            Route("GET", "/catalog/gpus/{id}", "instance-types", self._gpu),
            Route("GET", "/catalog/datacenters", "regions", self._data_centers),
        )

    async def _gpus(self, call: Call) -> object:
        rows = [self._gpu_json(kind, call) for kind in self._catalogue.types()]
        return {"gpus": [row for row in rows if row is not None]}

    async def _gpu(self, call: Call) -> object:
        kind = self._catalogue.gpu_type(call.path_id)
        row = None if kind is None else self._gpu_json(kind, call)
        if row is None:
            raise ProblemError(404, "gpu type not found")
        return row

    def _gpu_json(self, kind: GpuType, call: Call) -> Json | None:
        """Return a type, or None where a filter by country leaves it out."""
        row: Json = {
            "id": kind.gpu_id,
            "name": kind.name,
            "pool": None,
            "manufacturer": kind.manufacturer,
            "memory": kind.memory_gb,
            "secure": kind.secure_cents > 0,
            "community": kind.community_cents > 0,
            "price": {"secure": kind.secure_cents / 100, "community": kind.community_cents / 100},
            "maxCount": {
                "secure": kind.max_count if kind.secure_cents else 0,
                "community": kind.max_count if kind.community_cents else 0,
            },
        }
        wish = _wish(kind, call)
        places = [spot for spot in self._catalogue.spots(kind.gpu_id) if wish.fits(spot)]
        if wish.country_codes and not places:
            return None
        if "AVAILABILITY" in _words(call, "include"):
            if call.query("product") != "POD":
                raise ProblemError(400, "include=AVAILABILITY requires product")
            centers = sorted({spot.data_center for spot in places})
            row["availability"] = self._level(wish)
            row["dataCenters"] = [
                {"id": center, "name": center, "availability": self._level(wish, center)}
                for center in centers
            ]
            versions = {spot.cuda_version for spot in places if self._catalogue.free(spot)}
            row["cudaVersions"] = [
                {"version": each, "available": each in versions} for each in CUDA_VERSIONS
            ]
        return row

    def _level(self, wish: Wish, center: str = "") -> str:
        free = [
            self._catalogue.free(spot)
            for spot in self._catalogue.spots(wish.gpu_id)
            if wish.fits(spot) and center in ("", spot.data_center)
        ]
        return availability(max(free, default=0), count=wish.count)

    async def _data_centers(self, call: Call) -> object:
        regions = _words(call, "regions")
        with_gpus = "GPU_AVAILABILITY" in _words(call, "include")
        rows = []
        for center, region in DATA_CENTERS.items():
            if regions and region not in regions:
                continue
            row: Json = {
                "id": center,
                "name": center,
                "region": region,
                "globalNetwork": False,
                "networkVolumeTypes": [],
                "compliance": [],
            }
            if with_gpus and (stock := self._stock(center)):
                row["gpuAvailability"] = stock
            rows.append(row)
        return {"dataCenters": rows}

    def _stock(self, center: str) -> list[Json]:
        rows: list[Json] = []
        for kind in self._catalogue.types():
            here = [s for s in self._catalogue.spots(kind.gpu_id) if s.data_center == center]
            if here:
                free = max(self._catalogue.free(spot) for spot in here)
                level = availability(free)
                rows.append({"id": kind.gpu_id, "name": kind.name, "availability": level})
        return rows


def _wish(kind: GpuType, call: Call) -> Wish:
    """Return the filters of a call as what a create would look for."""
    count = call.query("count") or "1"
    if not count.isdecimal() or int(count) < 1:
        raise invalid("count: value must be an integer, 1 or more")
    cloud = call.query("cloud")
    if cloud is not None and cloud not in tuple(Tier):
        raise invalid("cloud: value must be one of SECURE, COMMUNITY")
    versions, minimum = _words(call, "cudaVersions"), call.query("minCudaVersion") or ""
    if versions and minimum:
        raise ProblemError(400, "cudaVersions and minCudaVersion are mutually exclusive")
    return Wish(
        gpu_id=kind.gpu_id,
        count=int(count),
        tiers=tuple(Tier) if cloud is None else (Tier(cloud),),
        country_codes=_words(call, "countryCodes"),
        cuda_versions=versions,
        min_cuda_version=minimum,
    )


def _words(call: Call, name: str) -> tuple[str, ...]:
    """Return a list given comma-joined, or one by one."""
    given = call.request.query.getall(name, [])
    return tuple(word for text in given for word in text.split(",") if word)
