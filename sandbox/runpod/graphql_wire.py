"""RunPod's GraphQL at /graphql (runpod-api.md section 4): older clients, and the balance."""

import json
from collections.abc import Awaitable
from typing import Any, ClassVar

from aiohttp import web
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    execute,
    parse,
    specified_rules,
    validate,
)

from sandbox.auth import is_same_key, presented_key
from sandbox.cloud import Cloud
from sandbox.runpod import problems
from sandbox.runpod.graphql_root import Root
from sandbox.runpod.graphql_schema import schema
from sandbox.runpod.scheduler import Scheduler
from sandbox.wire import Wire
from sandbox.wire_call import Call, Route

PATH = "/graphql"
# What each root field is called in a fault; ``myself`` depends on what is asked of it.
OPERATIONS = {
    "podFindAndDeployOnDemand": "launch",
    "podRentInterruptable": "launch",
    "deployCpuPod": "launch",
    "pod": "get",
    "podTerminate": "terminate",
    "podStop": "action",
    "podResume": "action",
    "podBidResume": "action",
    "podEditJob": "rename",
    "myself": "account",
    "updateUserSettings": "ssh-keys",
    "gpuTypes": "instance-types",
    "dataCenters": "regions",
}
# Answered without a key.
PUBLIC_FIELDS = {"gpuTypes", "dataCenters", "__typename"}


class GraphqlWire(Wire):
    """The one endpoint."""

    cloud_name: ClassVar[str] = "runpod"

    def __init__(self, cloud: Cloud, scheduler: Scheduler) -> None:
        super().__init__(cloud)
        self._scheduler = scheduler
        self._schema = schema()

    def add_routes(self, app: web.Application) -> None:
        route = Route("POST", PATH, "unknown", self._respond)
        app.router.add_route("POST", PATH, self.handler(route))

    async def _operation(self, route: Route, request: web.Request) -> str:
        """Return what the query is about, by its first root field; this is what a fault names."""
        try:
            fields = _root_fields(parse(str(_body(await request.read()).get("query"))))
        except (GraphQLError, ValueError):
            return route.operation
        if not fields:
            return route.operation
        first = fields[0]
        asked = first.selection_set.selections if first.selection_set else ()
        names = {each.name.value for each in asked if isinstance(each, FieldNode)}
        if first.name.value == "myself" and "pods" in names:
            return "list"
        return OPERATIONS.get(first.name.value, route.operation)

    async def _answer(self, route: Route, call: Call) -> web.StreamResponse:
        answer = await route.answer(call)
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    async def _respond(self, call: Call) -> object:
        try:
            body = _body(await call.request.read())
            document = parse(str(body.get("query")))
        except ValueError:
            return _errors(400, GraphQLError("POST body missing, invalid or not JSON."))
        except GraphQLError as error:
            return _errors(400, error, code="GRAPHQL_PARSE_FAILED")
        if not self._may_ask(call.request, document):
            return _errors(401, GraphQLError("Unauthorized"), code="UNAUTHENTICATED")
        rules = [*specified_rules, NoSchemaIntrospectionCustomRule]
        if wrong := validate(self._schema, document, rules):
            return _errors(400, *wrong, code="GRAPHQL_VALIDATION_FAILED")
        return await self._execute(call, document, body)

    async def _execute(self, call: Call, document: DocumentNode, body: dict[str, Any]) -> object:
        root = Root(self._cloud, self._scheduler, call.record)
        running = execute(
            self._schema,
            document,
            root_value=root.fields(),
            variable_values=body.get("variables"),
            operation_name=body.get("operationName"),
        )
        result = await running if isinstance(running, Awaitable) else running
        if result.data is None and result.errors and not any(e.path for e in result.errors):
            # Wrong variables, or no operation of that name: nothing was executed.
            return _errors(400, *result.errors, code="BAD_USER_INPUT")
        return result.formatted

    def _usual_answer(self, status: int, operation: str) -> web.Response:
        return _errors(status, GraphQLError(problems.usual(status).detail))

    def _may_ask(self, request: web.Request, document: DocumentNode) -> bool:
        """Say whether the key is right: in the header, or in the address as older clients do."""
        key = presented_key(request) or request.query.get("api_key")
        if key is None:
            return {field.name.value for field in _root_fields(document)} <= PUBLIC_FIELDS
        return is_same_key(key, self._cloud.options.api_key)


def _body(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, an empty one for other JSON; raises ValueError."""
    body = json.loads(text)
    return body if isinstance(body, dict) else {}


def _root_fields(document: DocumentNode) -> list[FieldNode]:
    return [
        field
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        for field in definition.selection_set.selections
        if isinstance(field, FieldNode)
    ]


def _errors(status: int, *errors: GraphQLError, code: str | None = None) -> web.Response:
    rows: list[dict[str, Any]] = [dict(error.formatted) for error in errors]
    for row in rows:
        if code is not None:
            row["extensions"] = {"code": code}
    return web.json_response({"errors": rows}, status=status)
