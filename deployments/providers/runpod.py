"""RunPod: pods on demand over its REST API v2 (read 2026-11), the balance over GraphQL.

No spot: the vendor has withdrawn it.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from deployments.providers import runpod_logs
from deployments.providers import runpod_shapes as shapes
from deployments.providers.base import (
    Capabilities,
    Endpoint,
    Instance,
    Launched,
    LaunchRequest,
    LaunchResult,
    Offer,
    Pacer,
    Provider,
    ProviderError,
    ProviderRefusedError,
    RequestKind,
    Unknown,
)
from deployments.providers.http import Answer, HttpClient
from deployments.providers.launch_results import refused, result_of, type_and_blob
from deployments.providers.runpod_errors import (
    CONSOLE_URL,
    LABEL,
    error_of,
    says_not_there,
    says_rate_limited,
    unreadable,
    verdict_on,
)
from deployments.providers.values import usable_id
from deployments.providers.verdicts import is_good

# Python 3.12, torch 2.8 for CUDA 12.8: every card from Turing to Blackwell.
IMAGE = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
# Packages, a base model of 8 B parameters in 16 bit, checkpoints, and room.
DISK_GB = 100
PAGE_PODS = 1000
MOST_PAGES = 50
LOG_LINES = 5000
# The stream stays open; this much silence says that the lines there were have come.
LOG_QUIET_SECONDS = 3.0
LOG_LIMIT_SECONDS = 8.0


class RunPod(Provider):
    """RunPod's API under one key."""

    capabilities = Capabilities(
        label=LABEL,
        # Per second, from creation on. Source: RunPod's pricing page (read 2026-11).
        billing_quantum_seconds=1,
        injects_host_key=False,
        interruptible=False,
        console_url=CONSOLE_URL,
        registers_ssh_keys=False,
        tells_host_keys=True,
        tells_bills=True,
    )

    def __init__(self, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> None:
        super().__init__(api_key=api_key, endpoint=endpoint, pacer=pacer)
        self._http = HttpClient(
            label=LABEL, base_url=endpoint.base_url, api_key=api_key, pacer=pacer
        )
        self._graphql = HttpClient(
            label=LABEL, base_url=_origin(endpoint.base_url), api_key=api_key, pacer=pacer
        )
        self._image = endpoint.image or IMAGE
        self._disk_gb = endpoint.disk_gb or DISK_GB

    @classmethod
    def default_endpoint(cls) -> Endpoint:
        return Endpoint("https://api.runpod.io/v2", ssh_port=22, ssh_user="root")

    def offers(self) -> list[Offer]:
        return [
            offer
            for cloud in (shapes.SECURE, shapes.COMMUNITY)
            for offer in shapes.offers(
                self._get(f"/catalog/gpus?{self._stock_query(cloud)}"),
                cloud=cloud,
                disk_gb=self._disk_gb,
            )
        ]

    def launch(self, request: LaunchRequest) -> LaunchResult:
        kind = shapes.kind_of(request.instance_type)
        if kind is None:
            error = ProviderRefusedError(
                f"RunPod has no machine type named {request.instance_type}.",
                remedy="Choose one of those on offer.",
            )
            return refused(error, "invalid")
        return result_of(
            lambda: self._http.request(
                "POST",
                "/pods",
                kind="launch",
                timeout_seconds=self._endpoint.launch_timeout_seconds,
                body=self._pod(request, kind),
            ),
            self._launch_result,
        )

    def list_all(self) -> list[Instance]:
        """Return every pod, page by page: the list is whole or it is an error (I13)."""
        pods: dict[str, Instance] = {}
        cursors: set[str] = set()
        query = {"limit": str(PAGE_PODS)}
        while True:
            answer = self._get(f"/pods?{urlencode(query)}", kind="list")
            found = [shapes.instance(item) for item in shapes.listed(answer, "pods")]
            # A pod that is made meanwhile shifts the pages, and one of them shows twice.
            pods.update((pod.instance_id, pod) for pod in found)
            cursor = shapes.next_cursor(answer)
            if cursor is None:
                return list(pods.values())
            if cursor in cursors or len(cursors) >= MOST_PAGES:
                raise unreadable("the list of pods has no end")
            cursors.add(cursor)
            query["cursor"] = cursor

    def get(self, instance_id: str) -> Instance | None:
        answer = self._send("GET", f"/pods/{quote(instance_id, safe='')}")
        if says_not_there(answer):
            return None
        instance = shapes.instance(self._checked(answer).content)
        if instance.instance_id != instance_id:
            raise unreadable("it shows another pod than the one asked for")
        return instance

    def terminate(self, instance_id: str) -> None:
        answer = self._send("DELETE", f"/pods/{quote(instance_id, safe='')}", kind="terminate")
        # F66: a pod RunPod does not know may be gone or not be there yet; the list decides.
        if not says_not_there(answer):
            self._checked(answer)

    def ensure_ssh_key(self, public_key: str) -> str:
        # The account's list can only be replaced as a whole: each pod is told the key instead.
        type_and_blob(public_key)
        return ""

    def ssh_public_key(self, name: str) -> str:
        """Return the registered key whose comment is the name: RunPod gives its keys no other."""
        for key in shapes.ssh_keys(self._get("/account/ssh-keys")):
            if key.split(maxsplit=2)[2:] == [name]:
                return key
        raise ProviderRefusedError(
            f"No SSH key with the comment {name} is registered at RunPod.",
            remedy="Add it in your account's settings there, or leave ssh_key_name empty.",
            code="E_SSH_KEY",
        )

    def host_key_fingerprints(self, instance_id: str) -> frozenset[str]:
        events = self._http.stream(
            f"/pods/{quote(instance_id, safe='')}/logs?source=container&tail={LOG_LINES}",
            kind="other",
            quiet_seconds=LOG_QUIET_SECONDS,
            limit_seconds=LOG_LIMIT_SECONDS,
        )
        if isinstance(events, Answer):
            if says_not_there(events):
                return frozenset()
            raise error_of(events, self._http)
        return runpod_logs.fingerprints(events)

    def billed_usd(self, instance_id: str, *, since: datetime) -> Decimal | None:
        # A bucket begins with its hour, and may be left out by a time within it.
        begin = since.astimezone(UTC).replace(minute=0, second=0)
        query = {
            "podId": instance_id,
            "startTime": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "bucketSize": "hour",
        }
        return shapes.billed_usd(self._get(f"/billing/pods?{urlencode(query)}"), instance_id)

    def balance_usd(self) -> Decimal | None:
        """Ask GraphQL, which is to end, since v2 has no such route; a failure shows nothing."""
        try:
            answer = self._graphql.request(
                "POST",
                "/graphql",
                kind="other",
                timeout_seconds=self._endpoint.read_timeout_seconds,
                body={"query": "query { myself { clientBalance } }"},
            )
        except ProviderError:
            return None
        return shapes.balance_usd(answer) if is_good(answer) else None

    def check_key(self) -> None:
        # The list of pods is what everything rests on: a key that may not read it is no use.
        shapes.listed(self._get("/pods?limit=1"), "pods")

    def _pod(self, request: LaunchRequest, kind: shapes.Kind) -> dict[str, object]:
        """Return what to ask for; nothing but what is known to be accepted (section 3.2)."""
        keys = (request.login_public_key, *request.authorized_keys)
        gpu: dict[str, object] = {"id": kind.gpu_id, "count": kind.gpu_count}
        floor = cuda_floor(self._image)
        if floor:
            gpu["minCudaVersion"] = floor
        pod: dict[str, object] = {
            "name": request.name,
            "image": self._image,
            "gpu": gpu,
            "cloud": kind.cloud,
            "disk": self._disk_gb,
            "ports": ["22/tcp"],
            "env": {"PUBLIC_KEY": "\n".join(key.strip() for key in keys if key.strip())},
        }
        if request.region != shapes.ANYWHERE:
            pod["dataCenterIds"] = [request.region]
        return pod

    def _stock_query(self, cloud: str) -> str:
        """Return the question that the launch will be answered by: the same floor, one card."""
        query = {"include": "AVAILABILITY", "product": "POD", "count": "1", "cloud": cloud}
        floor = cuda_floor(self._image)
        return urlencode(query | ({"minCudaVersion": floor} if floor else {}))

    def _launch_result(self, answer: Answer) -> LaunchResult:
        """Judge a launch: refused only where RunPod itself says so, unknown in every doubt (D2)."""
        if is_good(answer):
            content = answer.content
            pod_id = usable_id(content.get("id")) if isinstance(content, dict) else None
            if pod_id is None:
                return Unknown("RunPod accepted the launch but named no usable pod id.")
            return Launched(pod_id)
        error = error_of(answer, self._http)
        if says_rate_limited(answer):
            return refused(error, "rate_limited", answer.retry_after_seconds)
        verdict = verdict_on(answer)
        if verdict is None or not verdict.final:
            return Unknown(error.message)
        return refused(error, verdict.reason)

    def _get(self, path: str, *, kind: RequestKind = "other") -> Answer:
        return self._checked(self._send("GET", path, kind=kind))

    def _send(self, method: str, path: str, *, kind: RequestKind = "other") -> Answer:
        return self._http.request(
            method, path, kind=kind, timeout_seconds=self._endpoint.read_timeout_seconds
        )

    def _checked(self, answer: Answer) -> Answer:
        if not is_good(answer):
            raise error_of(answer, self._http)
        return answer


def cuda_floor(image: str) -> str:
    """Return the least CUDA version a host's driver must know for an image, "" where it is unsaid.

    From the image's tag: cu1281 and cuda12.8.1 both mean 12.8.
    """
    said = re.search(r"cu(\d{2})(\d)\d|cuda-?(\d{2})\.(\d)", image)
    if said is None:
        return ""
    return f"{said[1] or said[3]}.{said[2] or said[4]}"


def _origin(base_url: str) -> str:
    """Return the address without its path: GraphQL answers beside v2."""
    parts = urlsplit(base_url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))
