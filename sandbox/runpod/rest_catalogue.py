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

# Filters of the stock, which make no sense without it.
STOCK_FILTERS = ("product", "count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion")
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
        row = _type_json(kind)
        if "AVAILABILITY" not in _words(call, "include"):
            if given := [name for name in STOCK_FILTERS if name in call.request.query]:
                raise ProblemError(400, f"{given[0]} requires include=AVAILABILITY")
            return row
        if "POD" not in _words(call, "product"):
            raise ProblemError(400, "include=AVAILABILITY requires product")
        wish = _wish(kind, call)
        places = [spot for spot in self._catalogue.spots(kind.gpu_id) if wish.fits(spot)]
        if wish.country_codes and not places:
            return None
        versions = {spot.cuda_version for spot in places if self._catalogue.free(spot)}
        return {
            **row,
            "availability": self._level(wish),
            "dataCenters": [
                {"id": center, "name": center, "availability": self._level(wish, center)}
                for center in sorted({spot.data_center for spot in places})
            ],
            "cudaVersions": [
                {"version": each, "available": each in versions} for each in CUDA_VERSIONS
            ],
        }

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


def _type_json(kind: GpuType) -> Json:
    return {
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


def _wish(kind: GpuType, call: Call) -> Wish:
    """Return the filters of a call as what a create would look for."""
    count = call.query("count") or "1"
    if not count.isdecimal() or int(count) < 1:
        raise invalid("count: value must be an integer, 1 or more")
    # Secure Cloud unless the call says otherwise (tool schemas of @runpod/mcp-server 4.0.0).
    cloud = call.query("cloud") or "SECURE"
    if cloud not in tuple(Tier):
        raise invalid("cloud: value must be one of SECURE, COMMUNITY")
    versions, minimum = _words(call, "cudaVersions"), call.query("minCudaVersion") or ""
    if versions and minimum:
        raise ProblemError(400, "cudaVersions and minCudaVersion are mutually exclusive")
    return Wish(
        gpu_id=kind.gpu_id,
        count=int(count),
        tiers=(Tier(cloud),),
        country_codes=_words(call, "countryCodes"),
        cuda_versions=versions,
        min_cuda_version=minimum,
    )


def _words(call: Call, name: str) -> tuple[str, ...]:
    """Return a list given comma-joined, or one by one."""
    given = call.request.query.getall(name, [])
    return tuple(word for text in given for word in text.split(",") if word)
