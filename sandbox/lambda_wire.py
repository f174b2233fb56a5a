"""Lambda Cloud's API under /api/v1, answered from the sandbox's own machines.

Paths, bodies, envelopes and errors: the vendor's OpenAPI document 1.10.0 and the live accounts
collected in lambda-cloud-api.md. What is not served answers 404, as an unknown path does.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sandbox import errors
from sandbox.auth import is_same_key, presented_key
from sandbox.catalogue import REGIONS
from sandbox.cloud import Cloud
from sandbox.errors import ApiError
from sandbox.fault_answers import fault_answer, hang_up, wait
from sandbox.instance_json import images_json, instance_json, offers_json, region_json
from sandbox.launch_request import Body, read_launch
from sandbox.machines import LifeScript, Machine
from sandbox.rate_limits import RateLimiter
from sandbox.request_log import RequestRecord

BASE_PATH = "/api/v1"
SSH_KEY_NAME_LENGTH = 64
PUBLIC_KEY_LENGTH = 4096


@dataclass(frozen=True)
class Call:
    """One request on its way through."""

    request: web.Request
    record: RequestRecord

    @property
    def path_id(self) -> str:
        return self.request.match_info["id"]

    async def body(self) -> Body:
        """Return the JSON object sent, whatever its content type says: Lambda does not look."""
        try:
            body = json.loads(await self.request.read())
        except ValueError:
            raise errors.unreadable_body() from None
        if not isinstance(body, dict):
            raise errors.unreadable_body()
        return body

    def note(self, machine: Machine) -> None:
        self.record.machine_ids.append(machine.machine_id)
        self.record.machine_names.append(machine.order.name or "")


@dataclass(frozen=True)
class Route:
    """One endpoint; ``operation`` is its name in the fault script and the request log."""

    method: str
    path: str
    operation: str
    answer: Callable[[Call], Awaitable[object]]


class LambdaWire:
    """The endpoints of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._limiter = RateLimiter()
        self._routes = (
            Route("GET", "/instances", "list", self._list),
            Route("GET", "/instances/{id}", "get", self._get),
            Route("POST", "/instance-operations/launch", "launch", self._launch),
            Route("POST", "/instance-operations/terminate", "terminate", self._terminate),
            Route("GET", "/instance-types", "instance-types", self._instance_types),
            Route("GET", "/ssh-keys", "ssh-keys", self._ssh_keys),
            Route("POST", "/ssh-keys", "ssh-keys", self._add_ssh_key),
            Route("DELETE", "/ssh-keys/{id}", "ssh-keys", self._delete_ssh_key),
            Route("GET", "/regions", "regions", self._regions),
            Route("GET", "/images", "images", self._images),
        )

    def add_routes(self, app: web.Application) -> None:
        for route in self._routes:
            app.router.add_route(route.method, BASE_PATH + route.path, self._handler(route))
        known = {route.path for route in self._routes}
        for path in sorted(known):
            wrong_method = Route("*", path, "unknown", self._method_not_allowed)
            app.router.add_route("*", BASE_PATH + path, self._handler(wrong_method))
        unknown = Route("*", "/{id:.*}", "unknown", self._not_found)
        app.router.add_route("*", BASE_PATH + unknown.path, self._handler(unknown))

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            record = self._cloud.requests.add(
                method=request.method,
                path=request.path,
                operation=route.operation,
                key=presented_key(request),
            )
            response = await self._serve(route, Call(request, record))
            if response is None:
                return hang_up(request)
            record.status = response.status
            return response

        return handle

    async def _serve(self, route: Route, call: Call) -> web.Response | None:
        """Answer a call with the faults that are put on it; None closes the connection."""
        faults = self._cloud.faults
        await wait(faults.take("delay_before", call.record))
        if fault := faults.take("before", call.record):
            return fault_answer(fault, None)
        response = await self._answer(route, call)
        await wait(faults.take("delay_after", call.record))
        fault = faults.take("after", call.record)
        return response if fault is None else fault_answer(fault, response)

    async def _answer(self, route: Route, call: Call) -> web.Response:
        if self._cloud.settings.rate_limits and not self._limiter.allows(route.operation):
            return errors.rate_limited()
        try:
            self._authenticate(call.request)
            return web.json_response({"data": await route.answer(call)})
        except ApiError as error:
            return error.response()

    def _authenticate(self, request: web.Request) -> None:
        key = presented_key(request)
        if key is None:
            raise errors.unauthorized("No API key was provided.")
        if not is_same_key(key, self._cloud.options.api_key):
            raise errors.unauthorized()

    async def _list(self, call: Call) -> object:
        if self._cloud.faults.take("list", call.record):
            return []
        return [instance_json(machine, self._cloud.catalogue) for machine in self._cloud.listed()]

    async def _get(self, call: Call) -> object:
        return instance_json(self._found(call.path_id), self._cloud.catalogue)

    async def _launch(self, call: Call) -> object:
        order = read_launch(await call.body(), self._cloud)
        if self._cloud.faults.take("capacity", call.record):
            raise errors.insufficient_capacity()
        if not self._cloud.catalogue.take(order.instance_type.name, order.region):
            raise errors.insufficient_capacity()
        machine = self._cloud.launch(order, script=self._life_script(call.record))
        call.note(machine)
        return {"instance_ids": [machine.machine_id]}

    def _life_script(self, record: RequestRecord) -> LifeScript:
        boot = self._cloud.faults.take("boot", record)
        listing = self._cloud.faults.take("listing", record)
        kind = None if boot is None else boot.kind
        return LifeScript(
            boot_never_ends=kind == "boot_never_ends",
            becomes_unhealthy=kind == "unhealthy",
            vanishes_after_seconds=boot.seconds if boot and kind == "vanish" else None,
            hidden_for_seconds=0.0 if listing is None else listing.seconds,
        )

    async def _terminate(self, call: Call) -> object:
        ids = (await call.body()).get("instance_ids")
        if not isinstance(ids, list) or not ids:
            raise errors.invalid("instance_ids", "Field required")
        # All are looked up before the first is touched: one unknown id ends none.
        machines = [self._found(str(machine_id)) for machine_id in ids]
        does_nothing = self._cloud.faults.take("terminate", call.record) is not None
        answers = []
        for machine in machines:
            call.note(machine)
            if not does_nothing:
                self._cloud.terminate(machine)
            answer = instance_json(machine, self._cloud.catalogue)
            answers.append({**answer, "status": "terminating"} if does_nothing else answer)
        return {"terminated_instances": answers}

    async def _instance_types(self, call: Call) -> object:
        return offers_json(self._cloud.catalogue)

    async def _regions(self, call: Call) -> object:
        return [region_json(name) for name in REGIONS]

    async def _images(self, call: Call) -> object:
        return images_json()

    async def _ssh_keys(self, call: Call) -> object:
        return [key.as_json() for key in self._cloud.ssh_keys.all()]

    async def _add_ssh_key(self, call: Call) -> object:
        body = await call.body()
        name, public_key = body.get("name"), body.get("public_key")
        if not isinstance(name, str) or not 1 <= len(name) <= SSH_KEY_NAME_LENGTH:
            raise errors.invalid(
                "name", f"String should have 1 to {SSH_KEY_NAME_LENGTH} characters"
            )
        if public_key is None:
            key, private_key = self._cloud.ssh_keys.generate(name)
            return {**key.as_json(), "private_key": private_key}
        if not isinstance(public_key, str) or not 1 <= len(public_key) <= PUBLIC_KEY_LENGTH:
            raise errors.invalid(
                "public_key", f"String should have 1 to {PUBLIC_KEY_LENGTH} characters"
            )
        return self._cloud.ssh_keys.add(name, public_key).as_json()

    async def _delete_ssh_key(self, call: Call) -> object:
        used = {
            machine.order.ssh_key_name for machine in self._cloud.machines() if machine.is_live()
        }
        self._cloud.ssh_keys.delete(call.path_id, used_names=used)
        return {}

    async def _method_not_allowed(self, call: Call) -> object:
        raise errors.method_not_allowed()

    async def _not_found(self, call: Call) -> object:
        raise errors.not_found()

    def _found(self, machine_id: str) -> Machine:
        machine = self._cloud.find(machine_id)
        if machine is None:
            raise errors.no_such_instance()
        return machine
