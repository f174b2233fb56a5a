"""A pod as REST v2 shows it (runpod-api.md section 3.3)."""

import time
from datetime import UTC, datetime

from sandbox.machines import Status
from sandbox.options import Settings
from sandbox.runpod.pod import SSH_PRIVATE_PORT, Pod
from sandbox.runpod.pod_log import stamp

Json = dict[str, object]

PROXY_HOST = "ssh.runpod.io"
ACTIONS = {
    "PROVISIONING": ["stop", "terminate"],
    "STARTING": ["stop", "terminate"],
    "RUNNING": ["stop", "restart", "terminate"],
    "EXITED": ["start", "terminate"],
    "ERROR": ["start", "terminate"],
}


def phase(pod: Pod, settings: Settings) -> str:
    """Return the pod's status in v2's words."""
    if pod.status is Status.STOPPED:
        return "EXITED"
    if pod.status is Status.UNHEALTHY and pod.started_at is None:
        return "ERROR"
    if pod.status is Status.BOOTING and not settings.runpod_early_running:
        return "STARTING" if pod.is_placed else "PROVISIONING"
    return "RUNNING"


def pod_json(pod: Pod, settings: Settings) -> Json:
    order, status = pod.order, phase(pod, settings)
    kind = order.instance_type
    return {
        "id": pod.machine_id,
        "name": order.name,
        "status": status,
        "actions": ACTIONS[status],
        "image": order.image,
        "args": order.args,
        "entrypoint": list(order.entrypoint),
        "cmd": list(order.cmd),
        "disk": order.disk_gb,
        "mounts": _mounts_json(pod),
        "ports": list(order.ports),
        "env": dict(order.env),
        "registry": order.registry,
        "gpu": {
            "id": kind.name,
            "count": kind.gpus,
            "memory": kind.memory_gib,
            "vcpuCount": kind.vcpus,
        },
        "cloud": order.spot.tier,
        "dataCenterId": order.region if pod.is_placed else None,
        "cudaVersion": order.spot.cuda_version if pod.is_placed else None,
        "ssh": {"proxy": _proxy_json(pod), "direct": _direct_json(pod)},
        "template": None,
        # The document says 0 when EXITED, a recorded answer kept the price; this is the worse.
        "cost": kind.price_cents_per_hour / 100,
        "locked": pod.is_locked,
        "globalNetworking": {"enabled": False},
        "runtime": _runtime_json(pod),
        "createdAt": _time(pod.launched_at),
        "startedAt": None if pod.started_at is None else _time(pod.started_at),
    }


def foreign_pods_json() -> list[Json]:
    """Return what the list of somebody else's account shows."""
    return [
        {"id": f"foreign{number:07}", "name": f"another-account-{number}", "status": "RUNNING",
         "actions": ACTIONS["RUNNING"], "image": "ubuntu", "args": "", "disk": 20, "mounts": {},
         "ports": [], "env": {}, "registry": None, "gpu": {"id": "NVIDIA L4", "count": 1},
         "cloud": "SECURE", "dataCenterId": "EU-RO-1", "cudaVersion": "12.8",
         "ssh": {"proxy": None, "direct": None}, "template": None, "cost": 0.49, "locked": False,
         "globalNetworking": {"enabled": False}, "runtime": None,
         "createdAt": "2026-08-20T00:00:00.000000Z", "startedAt": None}
        for number in (1, 2)
    ]  # fmt: skip


def _runtime_json(pod: Pod) -> Json | None:
    if pod.started_at is None:
        return None
    return {
        "uptime": int(time.time() - pod.started_at),
        "gpus": [{"util": 0, "memoryUtil": 0} for _ in range(pod.order.instance_type.gpus)],
        "cpu": {"util": 0},
        "memory": {"util": 0},
        "ports": ports_json(pod),
    }


def ports_json(pod: Pod) -> list[Json]:
    """Return the published ports: none until the address shows; http ones stay private."""
    if pod.ip is None:
        return []
    rows: list[Json] = []
    for port in pod.order.ports:
        number, _, kind = port.partition("/")
        is_ssh = port == f"{SSH_PRIVATE_PORT}/tcp"
        if kind == "http":
            rows.append({"private": int(number), "public": None, "type": kind, "ip": "100.65.0.7"})
        elif is_ssh:
            rows.append({"private": 22, "public": pod.ssh_port, "type": kind, "ip": pod.ip})
    return rows


def _direct_json(pod: Pod) -> Json | None:
    if not pod.order.has_ssh_port or pod.ip is None or pod.started_at is None:
        return None
    return {
        "host": pod.ip,
        "port": pod.ssh_port,
        "username": "root",
        "command": f"ssh root@{pod.ip} -p {pod.ssh_port}",
    }


def _proxy_json(pod: Pod) -> Json | None:
    """Return the way through the vendor's proxy, which leads nowhere here."""
    if not pod.is_placed:
        return None
    user = f"{pod.machine_id}-{pod.proxy_suffix}"
    return {
        "host": PROXY_HOST,
        "port": 22,
        "username": user,
        "command": f"ssh {user}@{PROXY_HOST}",
    }


def _mounts_json(pod: Pod) -> Json:
    order = pod.order
    if order.volume_gb:
        return {"persistent": {"size": order.volume_gb, "path": order.volume_path}}
    return {"network": [dict(order.network_volume)]} if order.network_volume else {}


def _time(unix_seconds: float) -> str:
    return stamp(datetime.fromtimestamp(unix_seconds, UTC))
