"""Clouds on the wire, for tests: each provider's double answers HTTP as that cloud does.

A new provider adds one class here and one entry in DOUBLES; the contract then runs for it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import requests

from deployments.providers import PROVIDERS
from deployments.providers.base import Endpoint, LaunchRequest, Provider
from tests.deployments.providers.double import (
    API_KEY,
    WRONG_KEY,
    CloudDouble,
    FreePacer,
    FullPacer,
    HttpAnswer,
)
from tests.deployments.providers.nimbus_double import NimbusDouble
from tests.deployments.providers.runpod_double import RunPodDouble

__all__ = ["API_KEY", "WRONG_KEY", "CloudDouble", "FreePacer", "FullPacer", "HttpAnswer"]


@dataclass
class LambdaDouble(CloudDouble):
    """Lambda's API 1.10.0 as far as the contract needs it."""

    platform = "lambda"
    base_url = "https://lambda.test/api/v1"
    instance_type = "gpu_1x_a10"
    region = "us-east-1"

    keys: list[dict[str, Any]] = field(default_factory=list)

    @property
    def launches(self) -> int:
        return self.calls.count("POST /instance-operations/launch")

    def answer(self, request: requests.PreparedRequest) -> HttpAnswer:
        if request.headers["Authorization"] != f"Bearer {API_KEY}":
            return refusal(401, "global/invalid-api-key")
        handlers = {
            "POST /instance-operations/launch": self._launch,
            "POST /instance-operations/terminate": self._terminate,
            "POST /ssh-keys": self._add_key,
        }
        call, body = self.calls[-1], self.bodies[-1]
        if call in handlers:
            return handlers[call](body)
        if call == "GET /instances":
            return (200, {}, "{garbage") if self.list_is_garbage else good(self.machines)
        if call == "GET /instance-types":
            return good({"gpu_1x_a10": a10_type(regions=["us-east-1"])})
        if call == "GET /ssh-keys":
            return good(self.keys)
        found = [m for m in self.machines if call == f"GET /instances/{m['id']}"]
        return good(found[0]) if found else refusal(404, "global/object-does-not-exist")

    def _launch(self, body: dict[str, Any]) -> HttpAnswer:
        if not self.has_capacity:
            return refusal(400, "instance-operations/launch/insufficient-capacity")
        machine = an_instance(id=f"{len(self.machines) + 1:032x}", name=body["name"])
        self.machines.append(machine)
        if self.loses_launch_answers:
            raise requests.exceptions.ReadTimeout("read timed out")
        return good({"instance_ids": [machine["id"]]})

    def _terminate(self, body: dict[str, Any]) -> HttpAnswer:
        gone = [m for m in self.machines if m["id"] in body["instance_ids"]]
        if not gone:
            return refusal(404, "global/object-does-not-exist")
        self.machines = [m for m in self.machines if m not in gone]
        return good({"terminated_instances": [m | {"status": "terminating"} for m in gone]})

    def _add_key(self, body: dict[str, Any]) -> HttpAnswer:
        if any(key["name"] == body["name"] for key in self.keys):
            return refusal(400, "global/duplicate")
        self.keys.append({"id": f"{len(self.keys):032x}", **body})
        return good(self.keys[-1])


DOUBLES: dict[str, type[CloudDouble]] = {
    "lambda": LambdaDouble,
    "nimbus": NimbusDouble,
    "runpod": RunPodDouble,
}


def good(data: object) -> HttpAnswer:
    return 200, {}, json.dumps({"data": data})


def refusal(status: int, code: str, message: str = "in the vendor's words") -> HttpAnswer:
    return status, {}, json.dumps({"error": {"code": code, "message": message}})


def an_instance(**changes: object) -> dict[str, Any]:
    """Return an instance as Lambda's live list shows it, recorded shape of 2026-08."""
    return {
        "id": "0920582c7ff041399e34823a0be62549",
        "name": "slipway-1",
        "ip": "198.51.100.2",
        "private_ip": "10.0.2.100",
        "status": "active",
        "ssh_key_names": ["slipway-0123456789abcdef"],
        "file_system_names": [],
        "region": {"name": "us-east-1", "description": "Virginia, USA"},
        "instance_type": a10_type()["instance_type"],
        "hostname": "198-51-100-2",
        "jupyter_token": "53968f128c4a4489b688c2c0a181d083",
        "jupyter_url": "https://jupyter-3ac4c5c6.lambdaspaces.test/?token=53968f128c4a",
        "is_reserved": False,
        "workspace_id": "b0c4b1e6",
        "actions": {"terminate": {"available": True}},
        **changes,
    }


def a10_type(*, regions: list[str] | None = None, **changes: object) -> dict[str, Any]:
    """Return one entry of the machine types, recorded shape of 2026-08."""
    return {
        "instance_type": {
            "name": "gpu_1x_a10",
            "description": "1x A10 (24 GB PCIe)",
            "gpu_description": "A10 (24 GB PCIe)",
            "price_cents_per_hour": 129,
            "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
            "architecture": "x86_64",
            **changes,
        },
        "regions_with_capacity_available": [
            {"name": region, "description": f"described {region}"} for region in regions or []
        ],
    }


def make_provider(
    double: CloudDouble, *, api_key: str = API_KEY, pacer: FreePacer | FullPacer | None = None
) -> Provider:
    endpoint = Endpoint(double.base_url, ssh_port=22, ssh_user="ubuntu")
    return PROVIDERS[double.platform](
        api_key=api_key, endpoint=endpoint, pacer=pacer or FreePacer()
    )


def make_launch_request(**changes: object) -> LaunchRequest:
    values: dict[str, Any] = {
        "name": "slipway-1",
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "ssh_key_name": "slipway-0123456789abcdef",
        "host_private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
        "-----END OPENSSH PRIVATE KEY-----\n",
        "host_public_key": "ssh-ed25519 AAAAhost slipway-machine",
        "login_public_key": "ssh-ed25519 AAAAlogin slipway",
        **changes,
    }
    return LaunchRequest(**values)
