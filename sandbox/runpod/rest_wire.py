"""RunPod's REST v2 under /v2 (runpod-api.md section 3)."""

import secrets
from typing import ClassVar, TypeVar

from aiohttp import web

from sandbox.auth import is_same_key, presented_key
from sandbox.cloud import Cloud
from sandbox.runpod import problems
from sandbox.runpod.pod import Pod
from sandbox.runpod.problems import ProblemError
from sandbox.runpod.quota import Quota
from sandbox.runpod.refusals import PodRefusedError
from sandbox.runpod.rest_account import AccountEndpoints
from sandbox.runpod.rest_catalogue import CatalogueEndpoints
from sandbox.runpod.rest_pods import PodsEndpoints
from sandbox.runpod.scheduler import Scheduler
from sandbox.wire import Wire
from sandbox.wire_call import Call, Route

BASE_PATH = "/v2"

R = TypeVar("R", bound=web.StreamResponse)


class RestWire(Wire):
    """The endpoints of v2."""

    cloud_name: ClassVar[str] = "runpod"

    def __init__(self, cloud: Cloud, scheduler: Scheduler) -> None:
        super().__init__(cloud)
        self._quota = Quota()
        self.routes = (
            *PodsEndpoints(cloud, scheduler).routes(),
            *CatalogueEndpoints(cloud.pod_catalogue).routes(),
            *AccountEndpoints(cloud).routes(),
        )

    def add_routes(self, app: web.Application) -> None:
        for route in self.routes:
            app.router.add_route(route.method, BASE_PATH + route.path, self.handler(route))
        for path in sorted({route.path for route in self.routes}):
            wrong = Route("*", path, "unknown", _wrong_method)
            app.router.add_route("*", BASE_PATH + path, self.handler(wrong))
        unknown = Route("*", "/{id:.*}", "unknown", _unknown)
        app.router.add_route("*", BASE_PATH + unknown.path, self.handler(unknown))
        # REST v1 has been retired.
        gone = Route("*", "/v1/{id:.*}", "unknown", _gone)
        app.router.add_route("*", gone.path, self.handler(gone))

    async def _answer(self, route: Route, call: Call) -> web.StreamResponse:
        try:
            self._authenticate(call)
        except ProblemError as error:
            return _with_headers(error.response(), {})
        is_within = self._quota.take()
        headers = self._quota.headers()
        if self._cloud.settings.rate_limits and not is_within:
            return _with_headers(problems.usual(429).response(), headers)
        try:
            answer = await route.answer(call)
        except PodRefusedError as error:
            answer = problems.of_refusal(error).response()
        except ProblemError as error:
            answer = error.response()
        if not isinstance(answer, web.StreamResponse):
            answer = web.json_response(answer)
        return answer if answer.prepared else _with_headers(answer, headers)

    def _usual_answer(self, status: int, operation: str) -> web.Response:
        return _with_headers(problems.usual(status).response(), self._quota.headers())

    def _authenticate(self, call: Call) -> None:
        """Let the account's key pass, and the key that a pod was given for its own address."""
        key = presented_key(call.request)
        if key is None:
            raise ProblemError(401, "missing bearer token")
        if is_same_key(key, self._cloud.options.api_key):
            return
        pods = self._cloud.live_machines(Pod)
        owner = next((pod for pod in pods if is_same_key(key, pod.pod_key)), None)
        if owner is None:
            raise problems.usual(401)
        if call.request.match_info.get("id") != owner.machine_id:
            raise problems.usual(403)


async def _wrong_method(call: Call) -> object:
    raise ProblemError(405, "method not allowed")


async def _unknown(call: Call) -> object:
    raise ProblemError(404, "not found")


async def _gone(call: Call) -> object:
    raise ProblemError(410, "REST v1 has been retired. Use https://api.runpod.io/v2.")


def _with_headers(response: R, headers: dict[str, str]) -> R:
    response.headers.update({"x-request-id": secrets.token_hex(16), **headers})
    return response
