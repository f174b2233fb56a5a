"""What answers each field of a GraphQL query's root."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import asyncssh
from graphql import GraphQLError, GraphQLResolveInfo

from sandbox.cloud import Cloud
from sandbox.request_log import RequestRecord
from sandbox.runpod.catalogue import DATA_CENTERS, GpuType, Tier, Wish, availability
from sandbox.runpod.graphql_pods import (
    BadInputError,
    Input,
    pod_json,
    read_deploy,
    read_env,
    read_ports,
)
from sandbox.runpod.pod import Pod
from sandbox.runpod.refusals import PodRefusedError, Refusal
from sandbox.runpod.scheduler import PodRequest, Scheduler

SPEND_LIMIT_USD = 80
CODES = {
    Refusal.NO_CAPACITY: "SUPPLY_CONSTRAINT",
    Refusal.NO_MONEY: "INSUFFICIENT_BALANCE",
    Refusal.HOST_FULL: None,
}
WENT_WRONG = "Something went wrong. Please try again later or contact support."

Json = dict[str, Any]
Resolver = Callable[..., Coroutine[Any, Any, Any]]


class Root:
    """The resolvers of one request: graphql-core calls those named as the fields are."""

    def __init__(self, cloud: Cloud, scheduler: Scheduler, record: RequestRecord) -> None:
        self._cloud = cloud
        self._scheduler = scheduler
        self._record = record

    def fields(self) -> Mapping[str, Resolver]:
        answers: Mapping[str, Callable[[Input], Coroutine[Any, Any, Any]]] = {
            "myself": self._myself,
            "pod": self._pod,
            "gpuTypes": self._gpu_types,
            "dataCenters": self._data_centers,
            "podFindAndDeployOnDemand": self._deploy,
            "podRentInterruptable": self._deploy,
            "deployCpuPod": self._deploy_cpu,
            "podStop": self._stop,
            "podResume": self._resume,
            "podBidResume": self._resume,
            "podTerminate": self._terminate,
            "podEditJob": self._edit,
            "updateUserSettings": self._update_user,
        }
        return {name: _resolver(answer) for name, answer in answers.items()}

    async def _myself(self, given: Input) -> Json:
        return {
            "id": "user_sandbox",
            "email": "sandbox@localhost",
            "pubKey": "\n".join(self._cloud.pod_keys),
            "clientBalance": float(self._scheduler.balance_cents() / 100),
            "currentSpendPerHr": self._scheduler.spend_cents_per_hour() / 100,
            "spendLimit": SPEND_LIMIT_USD,
            "notifyPodsStale": False,
            "notifyPodsGeneral": False,
            "notifyLowBalance": False,
            "pods": self._pods,
            "networkVolumes": [],
            "podTemplates": [],
        }

    def _pods(self, info: GraphQLResolveInfo[Any]) -> list[Json]:
        rows = [pod_json(pod) for pod in self._scheduler.listed()]
        fault = self._cloud.faults.take("list", self._record)
        if fault is None:
            return rows
        # Neither the rows of another account nor those of a call before are known here.
        return rows[: int(fault.values["keep"])] if fault.kind == "truncated_list" else []

    async def _pod(self, given: Input) -> Json | None:
        try:
            return pod_json(self._scheduler.find(given["podId"]))
        except PodRefusedError:
            return None

    async def _deploy(self, given: Input) -> Json:
        requests = read_deploy(given, self._cloud.pod_catalogue)
        for request in requests[:-1]:
            if self._cloud.pod_catalogue.most_free(request.wish) >= request.wish.count:
                return self._create(request)
        return self._create(requests[-1])

    def _create(self, request: PodRequest) -> Json:
        if not request.wish.tiers:
            raise PodRefusedError(Refusal.NO_CAPACITY)
        return pod_json(self._scheduler.create(request, self._record))

    async def _deploy_cpu(self, given: Input) -> None:
        raise PodRefusedError(Refusal.NO_CAPACITY)

    async def _stop(self, given: Input) -> Json:
        pod = self._found(given)
        self._scheduler.stop(pod, self._record)
        return pod_json(pod)

    async def _resume(self, given: Input) -> Json:
        pod = self._found(given)
        await self._scheduler.start(pod, self._record)
        return pod_json(pod)

    async def _terminate(self, given: Input) -> None:
        try:
            self._scheduler.terminate(self._scheduler.find(given["podId"]), self._record)
        except PodRefusedError:
            raise GraphQLError(
                "pod not found to terminate", extensions={"code": "POD_NOT_FOUND"}
            ) from None

    async def _edit(self, given: Input) -> Json:
        pod = self._found(given)
        changes = {
            "image": given.get("imageName"),
            "args": given.get("dockerArgs"),
            "disk_gb": given.get("containerDiskInGb"),
            "ports": read_ports(given["ports"]) if given.get("ports") else None,
            "env": read_env(given["env"]) if given.get("env") else None,
        }
        pod.edit(**{name: value for name, value in changes.items() if value is not None})
        if pod.started_at is not None:
            self._scheduler.restart(pod, self._record)
        return pod_json(pod)

    async def _update_user(self, given: Input) -> Json:
        keys = [line for line in (given.get("pubKey") or "").splitlines() if line.strip()]
        for key in keys:
            try:
                asyncssh.import_public_key(key)
            except asyncssh.KeyImportError:
                raise BadInputError from None
        self._cloud.pod_keys[:] = keys
        return {"id": "user_sandbox", "pubKey": "\n".join(keys)}

    async def _gpu_types(self, given: Input) -> list[Json]:
        wanted = given.get("id")
        kinds = self._cloud.pod_catalogue.types()
        return [self._gpu_json(kind) for kind in kinds if wanted in (None, kind.gpu_id)]

    def _gpu_json(self, kind: GpuType) -> Json:
        def lowest_price(info: GraphQLResolveInfo[Any], **arguments: Any) -> Json:
            return self._lowest_price(kind, arguments.get("input") or {"gpuCount": 1})

        secure, community = kind.secure_cents / 100, kind.community_cents / 100
        return {
            "id": kind.gpu_id,
            "displayName": kind.name,
            "manufacturer": kind.manufacturer.title() if kind.manufacturer != "AMD" else "AMD",
            "memoryInGb": kind.memory_gb,
            "cudaCores": 0,
            "secureCloud": secure > 0,
            "communityCloud": community > 0,
            "securePrice": secure,
            "communityPrice": community,
            # Spot has been withdrawn; older price lists showed the price on demand.
            "secureSpotPrice": secure,
            "communitySpotPrice": community,
            "maxGpuCount": kind.max_count,
            "maxGpuCountSecureCloud": kind.max_count if secure else 0,
            "maxGpuCountCommunityCloud": kind.max_count if community else 0,
            "minPodGpuCount": 1,
            "nodeGroupDatacenters": [
                {"id": spot.data_center}
                for spot in self._cloud.pod_catalogue.spots(kind.gpu_id)
                if spot.tier is Tier.SECURE
            ],
            "lowestPrice": lowest_price,
        }

    def _lowest_price(self, kind: GpuType, given: Input) -> Json:
        is_secure = given.get("secureCloud")
        tiers = tuple(
            tier for tier in Tier if kind.cents(tier) and is_secure in (None, tier is Tier.SECURE)
        )
        center, country = given.get("dataCenterId"), given.get("countryCode")
        wish = Wish(
            gpu_id=kind.gpu_id,
            count=given["gpuCount"],
            tiers=tiers,
            data_centers=() if center is None else (center,),
            country_codes=() if country is None else (country,),
            cuda_versions=tuple(given.get("allowedCudaVersions") or ()),
            min_cuda_version=given.get("minCudaVersion") or "",
        )
        free = self._cloud.pod_catalogue.most_free(wish)
        if free < wish.count:
            return {"stockStatus": None, "availableGpuCounts": []}
        cents = min(kind.cents(tier) for tier in tiers)
        return {
            "minimumBidPrice": cents / 100,
            "uninterruptablePrice": cents / 100,
            "minVcpu": 8 * wish.count,
            "minMemory": 48 * wish.count,
            "stockStatus": availability(free, count=wish.count).capitalize(),
            "availableGpuCounts": list(range(1, min(free, kind.max_count) + 1)),
            "maxUnreservedGpuCount": min(free, kind.max_count),
        }

    async def _data_centers(self, given: Input) -> list[Json]:
        return [
            {
                "id": center,
                "name": center,
                "location": region,
                "listed": True,
                "storageSupport": False,
                "gpuAvailability": self._stock(center),
            }
            for center, region in DATA_CENTERS.items()
        ]

    def _stock(self, center: str) -> list[Json]:
        catalogue = self._cloud.pod_catalogue
        rows = []
        for kind in catalogue.types():
            wish = Wish(kind.gpu_id, 1, tiers=tuple(Tier), data_centers=(center,))
            free = catalogue.most_free(wish)
            level = availability(free).capitalize() if free else None
            if any(wish.fits(spot) for spot in catalogue.spots(kind.gpu_id)):
                rows.append(
                    {"gpuTypeId": kind.gpu_id, "displayName": kind.name, "stockStatus": level}
                )
        return rows

    def _found(self, given: Input) -> Pod:
        return self._scheduler.find(given["podId"])


def _resolver(answer: Callable[[Input], Coroutine[Any, Any, Any]]) -> Resolver:
    """Return a resolver that hands over ``input`` and turns refusals into GraphQL's errors."""

    async def resolve(info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        try:
            return await answer(arguments.get("input") or {})
        except PodRefusedError as error:
            raise _graphql_error(error.refusal) from None
        except BadInputError:
            raise _went_wrong() from None

    return resolve


def _graphql_error(refusal: Refusal) -> GraphQLError:
    if refusal not in CODES:
        return _went_wrong()
    code = CODES[refusal]
    return GraphQLError(refusal.value, extensions=None if code is None else {"code": code})


def _went_wrong() -> GraphQLError:
    return GraphQLError(WENT_WRONG, extensions={"code": "INTERNAL_SERVER_ERROR"})
