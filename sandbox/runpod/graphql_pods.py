"""Pods as GraphQL shows them, and what its inputs ask for."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.machines import Status
from sandbox.runpod.catalogue import PodCatalogue, Tier, Wish
from sandbox.runpod.create_body import TEMPLATES
from sandbox.runpod.pod import SSH_PRIVATE_PORT, Pod, Run
from sandbox.runpod.pod_log import stamp
from sandbox.runpod.scheduler import PodRequest

Input = Mapping[str, Any]

DEFAULT_DISK_GB = 10


class BadInputError(Exception):
    """Something that the real API answers with "Something went wrong"."""


def read_deploy(given: Input, catalogue: PodCatalogue) -> list[PodRequest]:
    """Return the requests to try one after the other, one for each GPU type that is named."""
    gpu_ids = given.get("gpuTypeIdList") or [given.get("gpuTypeId")]
    return [_request(given, str(gpu_id), catalogue) for gpu_id in gpu_ids]


def _request(given: Input, gpu_id: str, catalogue: PodCatalogue) -> PodRequest:
    gpu_type = catalogue.gpu_type(gpu_id)
    image = given.get("imageName") or TEMPLATES.get(str(given.get("templateId")))
    if gpu_type is None or not image or not given.get("gpuCount") or given.get("networkVolumeId"):
        raise BadInputError
    cloud = given.get("cloudType") or "ALL"
    tiers = tuple(Tier) if cloud == "ALL" else (Tier(cloud),)
    entrypoint, cmd, args = _docker_args(given.get("dockerArgs") or "")
    return PodRequest(
        name=given.get("name") or "pod",
        gpu_type=gpu_type,
        wish=Wish(
            gpu_id=gpu_id,
            count=given["gpuCount"],
            tiers=tuple(tier for tier in tiers if gpu_type.cents(tier)),
            data_centers=_one(given.get("dataCenterId")),
            country_codes=_one(given.get("countryCode")),
            cuda_versions=tuple(given.get("allowedCudaVersions") or ()),
            min_cuda_version=given.get("minCudaVersion") or given.get("cudaVersion") or "",
        ),
        image=image,
        disk_gb=given.get("containerDiskInGb") or DEFAULT_DISK_GB,
        args=args,
        entrypoint=entrypoint,
        cmd=cmd,
        volume_gb=given.get("volumeInGb") or 0,
        volume_path=given.get("volumeMountPath") or "",
        ports=read_ports(given.get("ports")),
        env=read_env(given.get("env")),
        registry=given.get("containerRegistryAuthId"),
        starts_ssh=bool(given.get("startSsh")),
        is_interruptible="bidPerGpu" in given,
        stop_after_seconds=_seconds_until(given.get("stopAfter")),
        terminate_after_seconds=_seconds_until(given.get("terminateAfter")),
    )


def read_ports(text: str | None) -> tuple[str, ...]:
    return tuple(port for port in (text or "").replace(" ", "").split(",") if port)


def read_env(rows: list[Input] | None) -> dict[str, str]:
    return {row["key"]: row["value"] for row in rows or ()}


def pod_json(pod: Pod) -> dict[str, Any]:
    """Return a pod; ``desiredStatus`` is what is wanted, not what is seen."""
    order, kind = pod.order, pod.order.instance_type
    cost = kind.price_cents_per_hour / 100
    return {
        "id": pod.machine_id,
        "name": order.name,
        "desiredStatus": "EXITED" if pod.status is Status.STOPPED else "RUNNING",
        "lastStatusChange": f"{pod.change_text}: {_date(pod.changed_at)}",
        "createdAt": stamp(datetime.fromtimestamp(pod.launched_at, UTC)),
        "costPerHr": cost,
        "adjustedCostPerHr": cost,
        "gpuCount": kind.gpus,
        "vcpuCount": kind.vcpus,
        "memoryInGb": kind.memory_gib,
        "containerDiskInGb": order.disk_gb,
        "volumeInGb": order.volume_gb,
        "volumeMountPath": order.volume_path,
        "imageName": order.image,
        "dockerArgs": order.args,
        "env": [f"{name}={value}" for name, value in order.env.items()],
        "ports": ",".join(order.ports),
        "podType": "INTERRUPTABLE" if order.is_interruptible else "RESERVED",
        "locked": pod.is_locked,
        # The real one says 0 for ever (runpod-api.md section 4).
        "uptimeSeconds": 0,
        "machineId": pod.proxy_suffix,
        "machine": {
            "gpuDisplayName": kind.card.description,
            "gpuTypeId": kind.name,
            "podHostId": f"{pod.machine_id}-{pod.proxy_suffix}",
            "dataCenterId": order.region,
            "location": order.region,
            "costPerHr": cost,
            "secureCloud": order.spot.tier is Tier.SECURE,
        },
        "containerRegistryAuthId": order.registry,
        "runtime": _runtime(pod),
    }


def _runtime(pod: Pod) -> dict[str, Any] | None:
    """Return what runs; a stopped pod goes on showing what ran (runpod-api.md section 9)."""
    run = pod.last_run if pod.status is Status.STOPPED else pod.run()
    if run is None:
        return None
    return {
        "uptimeInSeconds": run.uptime_seconds,
        "ports": None if run.ip is None else _ports(pod, run),
        "gpus": [
            {"id": f"gpu-{number}", "gpuUtilPercent": 0, "memoryUtilPercent": 0}
            for number in range(pod.order.instance_type.gpus)
        ],
        "container": {"cpuPercent": 0, "memoryPercent": 0},
    }


def _ports(pod: Pod, run: Run) -> list[dict[str, Any]]:
    rows = []
    for port in pod.order.ports:
        number, _, kind = port.partition("/")
        is_ssh = port == f"{SSH_PRIVATE_PORT}/tcp"
        if is_ssh or kind == "http":
            rows.append(
                {
                    "ip": run.ip if is_ssh else "100.65.0.7",
                    "isIpPublic": is_ssh,
                    "privatePort": int(number),
                    "publicPort": run.ssh_port if is_ssh else 60000 + int(number) % 5000,
                    "type": kind,
                }
            )
    return rows


def _docker_args(text: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return entrypoint, command and plain arguments: the text is either JSON or a command."""
    if not text.lstrip().startswith("{"):
        return (), (), text
    try:
        given = json.loads(text)
    except ValueError:
        raise BadInputError from None
    return tuple(given.get("entrypoint", ())), tuple(given.get("cmd", ())), text


def _seconds_until(moment: str | None) -> float | None:
    if moment is None:
        return None
    try:
        then = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        raise BadInputError from None
    return max(0.0, (then.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _one(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _date(unix_seconds: float) -> str:
    """Return a time as JavaScript prints it."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)")
