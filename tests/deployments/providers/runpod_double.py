"""RunPod's REST v2 and GraphQL on the wire, as far as the contract and RunPod's own tests need."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tests.deployments.providers.double import API_KEY, CloudDouble, HttpAnswer

NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)
RTX_4090 = "NVIDIA GeForce RTX 4090"
FINGERPRINT = "SHA256:" + "A" * 43
TITLES = {400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden"}


@dataclass
class RunPodDouble(CloudDouble):
    """One account at RunPod; ``page_pods`` is how many pods a page of its list holds."""

    platform = "runpod"
    base_url = "https://runpod.test/v2"
    instance_type = f"1x {RTX_4090}"
    region = "US-KS-2"

    page_pods: int = 1000
    keys: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    balance: object = 12.5
    bills: list[dict[str, Any]] = field(default_factory=list)

    @property
    def launches(self) -> int:
        return self.calls.count("POST /pods")

    @property
    def also_at(self) -> str:
        return "https://runpod.test/graphql"

    def answer(self, request: requests.PreparedRequest) -> HttpAnswer:
        if request.headers["Authorization"] != f"Bearer {API_KEY}":
            return problem(401, "missing bearer token")
        method, _, target = self.calls[-1].partition(" ")
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path.endswith("/graphql"):
            return said({"data": {"myself": {"clientBalance": self.balance}}})
        if path == "/pods":
            return self._launch(self.bodies[-1]) if method == "POST" else self._list(query)
        if path == "/catalog/gpus":
            return said({"gpus": [a_card()]})
        if path == "/account/ssh-keys":
            return said({"keys": self.keys})
        if path == "/billing/pods":
            return said({"records": self.bills, "metadata": {}})
        return self._one(method, path)

    def _launch(self, body: dict[str, Any]) -> HttpAnswer:
        if not self.has_capacity:
            return problem(400, NO_CAPACITY)
        number = len(self.machines) + 1
        pod = a_pod(id=f"pod{number:011d}", name=body["name"], env=body["env"], disk=body["disk"])
        self.machines.append(pod)
        if self.loses_launch_answers:
            raise requests.exceptions.ReadTimeout("read timed out")
        return said(pod, status=201)

    def _list(self, query: dict[str, list[str]]) -> HttpAnswer:
        if self.list_is_garbage:
            return 200, {}, "{garbage"
        begin = int(query.get("cursor", ["0"])[0])
        end = begin + self.page_pods
        more = end < len(self.machines)
        paging = {"hasNextPage": more, "nextCursor": str(end) if more else None}
        return said({"pods": self.machines[begin:end], "pagination": paging})

    def _one(self, method: str, path: str) -> HttpAnswer:
        pod = next((pod for pod in self.machines if path.startswith(f"/pods/{pod['id']}")), None)
        if pod is None:
            return problem(404, "pod not found")
        if path.endswith("/logs"):
            return 200, {"Content-Type": "text/event-stream"}, events(self.log)
        if method == "DELETE":
            self.machines.remove(pod)
            return 204, {}, ""
        return said(pod)


def said(content: object, *, status: int = 200) -> HttpAnswer:
    return status, {}, json.dumps(content)


def problem(status: int, detail: str, **more: object) -> HttpAnswer:
    """Return a failure in RunPod's words (application/problem+json)."""
    title = TITLES.get(status, "Failure")
    content = {"title": title, "status": status, "detail": detail, **more}
    return status, {"Content-Type": "application/problem+json"}, json.dumps(content)


def events(lines: list[str], *, source: str = "container") -> str:
    """Return log lines as server-sent events."""
    ts = "2026-06-01T12:02:03Z"
    data = [json.dumps({"ts": ts, "source": source, "line": line}) for line in lines]
    return "".join(f"id: {ts}/{n:012d}\ndata: {each}\n\n" for n, each in enumerate(data))


def a_pod(**changes: object) -> dict[str, Any]:
    """Return a pod as the document's example shows one that runs."""
    direct = {
        "host": "198.51.100.7",
        "port": 34446,
        "username": "root",
        "command": "ssh root@198.51.100.7 -p 34446",
    }
    proxy = {"host": "ssh.runpod.io", "port": 22, "username": "pod-64411eb2", "command": "ssh"}
    port = {"private": 22, "public": 34446, "type": "tcp", "ip": "198.51.100.7"}
    return {
        "id": "7h9k2m4n6p1234",
        "name": "slipway-1",
        "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
        "args": "",
        "disk": 100,
        "ports": ["22/tcp"],
        "env": {"PUBLIC_KEY": "ssh-ed25519 AAAA slipway"},
        "registry": None,
        "status": "RUNNING",
        "actions": ["stop", "restart", "terminate"],
        "mounts": {},
        "gpu": {"id": RTX_4090, "count": 1, "memory": 62, "vcpuCount": 16},
        "cloud": "SECURE",
        "dataCenterId": "US-KS-2",
        "cudaVersion": "12.8",
        "ssh": {"proxy": proxy, "direct": direct},
        "template": None,
        "cost": 0.69,
        "locked": False,
        "globalNetworking": {"enabled": False},
        "runtime": {"uptime": 3600, "ports": [port]},
        "createdAt": "2026-06-01T12:00:00Z",
        "startedAt": "2026-06-01T12:02:00Z",
        **changes,
    }


def a_card(**changes: object) -> dict[str, Any]:
    """Return a card of the catalogue, asked with its stock; the document's example."""
    return {
        "id": RTX_4090,
        "name": "RTX 4090",
        "pool": "ADA_24",
        "manufacturer": "NVIDIA",
        "memory": 24,
        "secure": True,
        "community": True,
        "price": {"secure": 0.69, "community": 0.34, "serverless": 1.1},
        "maxCount": {"secure": 8, "community": 4},
        "availability": "HIGH",
        "dataCenters": [
            {"id": "US-KS-2", "name": "US Kansas 2", "availability": "HIGH"},
            {"id": "EU-RO-1", "name": "EU Romania 1", "availability": "NONE"},
        ],
        **changes,
    }
