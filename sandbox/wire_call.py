"""One request on its way through Lambda's API, and the endpoint that it goes to."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sandbox import errors
from sandbox.audit import AuditEvent, AuditLog
from sandbox.launch_request import Body
from sandbox.machines import Machine
from sandbox.request_log import RequestRecord


@dataclass(frozen=True)
class Call:
    """One request on its way through."""

    request: web.Request
    record: RequestRecord

    @property
    def path_id(self) -> str:
        return self.request.match_info["id"]

    def query(self, name: str) -> str | None:
        return self.request.query.get(name)

    async def body(self) -> Body:
        """Return the JSON object sent, whatever its content type says: Lambda does not look."""
        try:
            body = json.loads(await self.request.read())
        except (ValueError, RecursionError):
            raise errors.unreadable_body() from None
        if not isinstance(body, dict):
            raise errors.unreadable_body()
        return body

    def audit(
        self, log: AuditLog, resource: str, action: str, resource_id: str, **details: object
    ) -> None:
        """Write down what this call has changed."""
        key = self.record.key_fingerprint
        log.add(AuditEvent(resource, action, resource_id, key, details))

    def note(self, machine: Machine) -> None:
        self.record.machine_ids.append(machine.machine_id)
        self.record.machine_names.append(machine.order.name or "")


@dataclass(frozen=True)
class Page:
    """An answer that is one page of several; every other answer is whole."""

    rows: list[dict[str, object]]
    page_token: str | None


@dataclass(frozen=True)
class Route:
    """One endpoint; ``operation`` is its name in the fault script and the request log."""

    method: str
    path: str
    operation: str
    answer: Callable[[Call], Awaitable[object]]
