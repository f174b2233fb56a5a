"""Lambda Cloud's API under /api/v1, answered from the sandbox's own machines.

Paths, bodies, envelopes and errors: the vendor's OpenAPI document 1.10.0 and the live accounts
collected in lambda-cloud-api.md. What is not served answers 404, as an unknown path does.
"""

from typing import ClassVar

from aiohttp import web

from sandbox import errors
from sandbox.auth import is_same_key, presented_key
from sandbox.catalogue import REGIONS
from sandbox.cloud import Cloud
from sandbox.errors import ApiError
from sandbox.instance_json import images_json, offers_json, region_json
from sandbox.rate_limits import RateLimiter
from sandbox.wire import Wire
from sandbox.wire_account import FileSystemsWire, FirewallWire, KeysWire
from sandbox.wire_call import Call, Page, Route
from sandbox.wire_instances import InstancesWire

BASE_PATH = "/api/v1"
TOO_MANY_REQUESTS = 429


class LambdaWire(Wire):
    """Lambda's endpoints."""

    cloud_name: ClassVar[str] = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
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
            app.router.add_route(route.method, BASE_PATH + route.path, self.handler(route))
        known = {route.path for route in self.routes}
        for path in sorted(known):
            wrong_method = Route("*", path, "unknown", self._method_not_allowed)
            app.router.add_route("*", BASE_PATH + path, self.handler(wrong_method))
        unknown = Route("*", "/{id:.*}", "unknown", self._not_found)
        app.router.add_route("*", BASE_PATH + unknown.path, self.handler(unknown))

    async def _answer(self, route: Route, call: Call) -> web.Response:
        if self._cloud.settings.rate_limits and not self._limiter.allows(route.operation):
            return errors.rate_limited()
        try:
            self._authenticate(call.request)
            return _success(await route.answer(call))
        except ApiError as error:
            return error.response()

    def _usual_answer(self, status: int, operation: str) -> web.Response:
        if status == TOO_MANY_REQUESTS:
            return errors.rate_limited()
        is_about_a_machine = operation in ("get", "rename", "restart", "terminate")
        usual = {
            400: errors.unreadable_body(),
            401: errors.unauthorized(),
            403: errors.account_inactive(),
            404: errors.no_such_instance() if is_about_a_machine else errors.not_found(),
        }
        if operation == "restart":
            usual[409] = errors.conflict("The request conflicts with the current state.")
        return usual.get(status, errors.internal(status)).response()

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
