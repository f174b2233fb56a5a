"""The made-up third cloud on the wire, as far as the contract needs it."""

import json
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.deployments.providers.double import API_KEY, CloudDouble, HttpAnswer


def a_type() -> dict[str, Any]:
    """Return its one kind of machine: an A6000, dearer than RunPod's."""
    return {"type": "puff", "gpu": "A6000", "vram": 48, "millicents_an_hour": 77_000}


@dataclass
class NimbusDouble(CloudDouble):
    """One account at Nimbus."""

    platform = "nimbus"
    base_url = "https://api.nimbus.example/v1"
    instance_type = "puff"
    region = "is-1"

    types: list[dict[str, Any]] = field(default_factory=lambda: [a_type() | {"free_in": "is-1"}])

    @property
    def launches(self) -> int:
        return self.calls.count("POST /machines")

    def answer(self, request: requests.PreparedRequest) -> HttpAnswer:
        if request.headers["Authorization"] != f"Bearer {API_KEY}":
            return said(401, {"refused": "bad_token"})
        method, _, path = self.calls[-1].partition(" ")
        if path == "/me":
            return said(200, {"account": "acme"})
        if path == "/types":
            return said(200, {"types": self.types})
        if method == "POST":
            return self._launch(self.bodies[-1])
        if path == "/machines":
            return (200, {}, "{garbage") if self.list_is_garbage else self._list()
        return self._one(method, path.rpartition("/")[2])

    def _list(self) -> HttpAnswer:
        return said(200, {"machines": self.machines})

    def _launch(self, body: dict[str, Any]) -> HttpAnswer:
        if not self.has_capacity:
            return said(409, {"refused": "no_room"})
        machine = {
            **a_type(),
            "id": f"m{len(self.machines) + 1}",
            "name": body["name"],
            "state": "up",
            "ip": "198.51.100.9",
            "zone": body["zone"],
        }
        self.machines.append(machine)
        if self.loses_launch_answers:
            raise requests.exceptions.ReadTimeout("read timed out")
        return said(201, {"id": machine["id"]})

    def _one(self, method: str, machine_id: str) -> HttpAnswer:
        found = [each for each in self.machines if each["id"] == machine_id]
        if not found:
            return said(404, {"refused": "no_such_machine"})
        if method == "DELETE":
            self.machines.remove(found[0])
            return 204, {}, ""
        return said(200, found[0])


def said(status: int, content: object) -> HttpAnswer:
    return status, {}, json.dumps(content)
