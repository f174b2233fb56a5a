"""The other side of the cloud, under /_sandbox/: the truth, the bill, the script of faults.

Every call but ``health`` needs the control key, as ``X-Sandbox-Control`` or as a Bearer token.

    GET  health                      {"status": "ok"}
    GET  ledger                      {"entries": [...], "total_cents"}
    GET  machines                    {"machines": [...]}, every one ever launched
    POST machines/ID/vanish          the machine is gone, without a word
    POST machines/ID/happen          {"kind", ...}: that fault of an active machine, at once
    GET  requests                    {"requests": [...]}, what reached the API
    GET | POST | DELETE  faults      see faults.py; DELETE clears the script
    GET | POST  prices               {"instance_type", "price_cents_per_hour"}, RunPod's with "tier"
    GET | POST  capacity             {"instance_type", "region", "free"}, RunPod's with "tier"
    GET | POST  settings             any of boot_seconds, terminate_seconds, ... (options.py)
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from sandbox.auth import is_same_key, presented_key
from sandbox.catalogue import CatalogueError
from sandbox.cloud import Cloud
from sandbox.faults import FaultError
from sandbox.machines import Machine
from sandbox.options import Settings
from sandbox.processes import processes_by_machine
from sandbox.runpod.catalogue import Tier

BASE_PATH = "/_sandbox"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlError(Exception):
    """A control call that cannot be done; the text is for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """The control endpoints of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get(BASE_PATH + "/health", self._health)
        for method, path, handler in self._guarded_routes():
            app.router.add_route(method, BASE_PATH + path, self._guarded(handler))

    def calls(self) -> list[str]:
        """Return every call as "METHOD /path"."""
        guarded = [f"{method} {path}" for method, path, _ in self._guarded_routes()]
        return ["GET /health", *guarded]

    def _guarded_routes(self) -> tuple[tuple[str, str, Handler], ...]:
        return (
            ("GET", "/ledger", self._ledger),
            ("GET", "/machines", self._machines),
            ("POST", "/machines/{id}/vanish", self._vanish),
            ("POST", "/machines/{id}/happen", self._happen),
            ("GET", "/requests", self._requests),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/prices", self._prices),
            ("POST", "/prices", self._set_price),
            ("GET", "/capacity", self._capacity),
            ("POST", "/capacity", self._set_capacity),
            ("GET", "/settings", self._settings),
            ("POST", "/settings", self._change_settings),
        )

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            key = request.headers.get("X-Sandbox-Control") or presented_key(request)
            if not is_same_key(key, self._cloud.options.control_key):
                return web.json_response({"error": "The control key is needed here."}, status=401)
            try:
                return await handler(request)
            except ControlError as error:
                return web.json_response({"error": str(error)}, status=error.status)
            except (FaultError, CatalogueError) as error:
                return web.json_response({"error": str(error)}, status=400)

        return handle

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ledger(self, request: web.Request) -> web.Response:
        return web.json_response(self._cloud.ledger.as_json())

    async def _machines(self, request: web.Request) -> web.Response:
        pids = processes_by_machine()
        machines = self._cloud.machines()
        return web.json_response(
            {"machines": [m.as_truth(pids=pids.get(m.machine_id, [])) for m in machines]}
        )

    async def _vanish(self, request: web.Request) -> web.Response:
        machine = self._found(request)
        self._cloud.vanish(machine)
        return web.json_response({"machine": {"id": machine.machine_id, "has_vanished": True}})

    async def _happen(self, request: web.Request) -> web.Response:
        values = await _body(request)
        kind = str(values.pop("kind", None))
        machine = self._found(request)
        self._cloud.happen(machine, kind, values)
        return web.json_response({"machine": {"id": machine.machine_id, "happened": kind}})

    def _found(self, request: web.Request) -> Machine:
        machine_id = request.match_info["id"]
        for machine in self._cloud.machines():
            if machine.machine_id == machine_id:
                return machine
        raise ControlError(404, f"There is no machine {machine_id}.")

    async def _requests(self, request: web.Request) -> web.Response:
        return web.json_response({"requests": self._cloud.requests.as_json()})

    async def _faults(self, request: web.Request) -> web.Response:
        return web.json_response({"faults": self._cloud.faults.as_json()})

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = self._cloud.faults.add(await _body(request))
        return web.json_response({"fault": fault.as_json()})

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._cloud.faults.clear()
        return web.json_response({"faults": []})

    async def _prices(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "prices": self._cloud.catalogue.prices(),
                "runpod": self._cloud.pod_catalogue.prices(),
            }
        )

    async def _set_price(self, request: web.Request) -> web.Response:
        body = await _body(request)
        name, cents = str(body.get("instance_type")), _whole_number(body, "price_cents_per_hour")
        if self._cloud.pod_catalogue.gpu_type(name) is None:
            self._cloud.catalogue.set_price(name, price_cents_per_hour=cents)
        else:
            tier = _tier(body)
            self._cloud.pod_catalogue.set_price(name, price_cents_per_hour=cents, tier=tier)
        return await self._prices(request)

    async def _capacity(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "capacity": self._cloud.catalogue.capacity(),
                "runpod": self._cloud.pod_catalogue.capacity(),
            }
        )

    async def _set_capacity(self, request: web.Request) -> web.Response:
        body = await _body(request)
        name, region = str(body.get("instance_type")), str(body.get("region"))
        free = _whole_number(body, "free")
        if self._cloud.pod_catalogue.gpu_type(name) is None:
            self._cloud.catalogue.set_free(name, region, free=free)
        else:
            self._cloud.pod_catalogue.set_free(name, region, free=free, tier=_tier(body))
        return await self._capacity(request)

    async def _settings(self, request: web.Request) -> web.Response:
        return web.json_response({"settings": asdict(self._cloud.settings)})

    async def _change_settings(self, request: web.Request) -> web.Response:
        body = await _body(request)
        known = asdict(Settings())
        for name, value in body.items():
            if name not in known:
                raise ControlError(400, f"There is no setting {name}.")
            if isinstance(known[name], bool) is not isinstance(value, bool):
                raise ControlError(400, f"{name} cannot be {value!r}.")
            if not isinstance(value, int | float) or value < 0:
                raise ControlError(400, f"{name} must be a number, 0 or more.")
        for name, value in body.items():
            setattr(self._cloud.settings, name, value)
        return await self._settings(request)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise ControlError(400, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise ControlError(400, "The body is not an object.")
    return body


def _tier(body: dict[str, Any]) -> Tier:
    """Return RunPod's tier that a call names, Secure Cloud unless it says so."""
    try:
        return Tier(body.get("tier", Tier.SECURE))
    except ValueError:
        raise ControlError(400, "tier must be SECURE or COMMUNITY.") from None


def _whole_number(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ControlError(400, f"{name} must be a whole number, 0 or more.")
    return value
