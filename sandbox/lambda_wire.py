"""Lambda Cloud's API under /api/v1, answered from the sandbox's own machines.

Paths, bodies, envelopes and errors: the vendor's OpenAPI document 1.10.0 and the live accounts
collected in lambda-cloud-api.md. What is not served answers 404, as an unknown path does.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox import errors
from sandbox.auth import is_same_key, presented_key
from sandbox.catalogue import REGIONS
from sandbox.cloud import Cloud
from sandbox.errors import ApiError
from sandbox.fault_answers import fault_answer, hang_up, wait
from sandbox.instance_json import images_json, offers_json, region_json
from sandbox.rate_limits import RateLimiter
from sandbox.wire_account import FileSystemsWire, FirewallWire, KeysWire
from sandbox.wire_call import Call, Page, Route
from sandbox.wire_instances import InstancesWire

BASE_PATH = "/api/v1"


class LambdaWire:
    """The endpoints of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._limiter = RateLimiter()
        self.routes = (
            *InstancesWire(cloud).routes(),
            *KeysWire(cloud).routes(),
            *FileSystemsWire(cloud).routes(),
            *FirewallWire(cloud).routes(),
            Route("GET", "/instance-types", "instance-types", self._instance_types),
            Route("GET", "/regions", "regions", self._regions),
            Route("GET", "/images", "images", self._images),
        )

    def add_routes(self, app: web.Application) -> None:
        for route in self.routes:
            app.router.add_route(route.method, BASE_PATH + route.path, self._handler(route))
        known = {route.path for route in self.routes}
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
            return fault_answer(fault, None, operation=route.operation)
        response = await self._answer(route, call)
        await wait(faults.take("delay_after", call.record))
        fault = faults.take("after", call.record)
        if fault is None:
            return response
        return fault_answer(fault, response, operation=route.operation)

    async def _answer(self, route: Route, call: Call) -> web.Response:
        if self._cloud.settings.rate_limits and not self._limiter.allows(route.operation):
            return errors.rate_limited()
        try:
            self._authenticate(call.request)
            return _success(await route.answer(call))
        except ApiError as error:
            return error.response()

    def _authenticate(self, request: web.Request) -> None:
        key = presented_key(request)
        if key is None:
            raise errors.unauthorized("No API key was provided.")
        if not is_same_key(key, self._cloud.options.api_key):
            raise errors.unauthorized()

    async def _instance_types(self, call: Call) -> object:
        return offers_json(self._cloud.catalogue)

    async def _regions(self, call: Call) -> object:
        return [region_json(name) for name in REGIONS]

    async def _images(self, call: Call) -> object:
        return images_json()

    async def _method_not_allowed(self, call: Call) -> object:
        raise errors.method_not_allowed()

    async def _not_found(self, call: Call) -> object:
        raise errors.not_found()


def _success(answer: object) -> web.Response:
    if isinstance(answer, Page):
        return web.json_response({"data": answer.rows, "page_token": answer.page_token})
    return web.json_response({"data": answer})
