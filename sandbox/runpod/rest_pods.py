"""The endpoints under /v2/pods."""

import base64

from aiohttp import web

from sandbox.cloud import Cloud
from sandbox.runpod.create_body import Body, check_edit, read_create, read_json
from sandbox.runpod.log_stream import stream_log
from sandbox.runpod.pod import Pod
from sandbox.runpod.pod_json import Json, foreign_pods_json, pod_json
from sandbox.runpod.problems import invalid
from sandbox.runpod.scheduler import Scheduler
from sandbox.wire_call import Call, Route

LARGEST_PAGE = 1000
ACTIONS = ("start", "stop", "restart", "terminate")
# What of an order a PATCH sets, by its name there.
EDITED = {
    **{name: name for name in ("name", "image", "args", "ports", "env", "registry")},
    **{name: name for name in ("entrypoint", "cmd")},
    "disk": "disk_gb",
}
LISTS = ("ports", "entrypoint", "cmd")


class PodsEndpoints:
    """Pods, from their creation to their end."""

    def __init__(self, cloud: Cloud, scheduler: Scheduler) -> None:
        self._cloud = cloud
        self._scheduler = scheduler
        self._rows_before: list[Json] = []

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/pods", "list", self._list),
            Route("POST", "/pods", "launch", self._create),
            Route("GET", "/pods/{id}", "get", self._get),
            Route("PATCH", "/pods/{id}", "rename", self._edit),
            Route("DELETE", "/pods/{id}", "terminate", self._delete),
            Route("POST", "/pods/{id}/action", "action", self._act),
            Route("GET", "/pods/{id}/logs", "logs", self._logs),
        )

    async def _list(self, call: Call) -> object:
        limit = _limit(call.query("limit"), default=self._cloud.settings.runpod_page_size)
        rows = self._rows(call)
        start = _start(call.query("cursor"), rows)
        page = rows[start : start + limit]
        has_more = start + limit < len(rows)
        cursor = _cursor(str(page[-1]["id"])) if has_more and page else None
        pagination = {"nextCursor": cursor, "hasNextPage": has_more}
        return {"pods": page, "pagination": pagination}

    def _rows(self, call: Call) -> list[Json]:
        """Return all rows, newest first, or what a fault makes of them."""
        rows = [self._json(pod) for pod in self._scheduler.listed()]
        fault = self._cloud.faults.take("list", call.record)
        if fault is None:
            self._rows_before = rows
            return rows
        if fault.kind == "foreign_list":
            return foreign_pods_json()
        if fault.kind == "stale_list":
            return self._rows_before
        return rows[: int(fault.values["keep"])] if fault.kind == "truncated_list" else []

    async def _create(self, call: Call) -> object:
        body = read_json(await call.request.read())
        request = read_create(body, self._cloud.pod_catalogue)
        pod = self._scheduler.create(request, call.record)
        return web.json_response(self._json(pod), status=201)

    async def _get(self, call: Call) -> object:
        return self._json(self._scheduler.find(call.path_id))

    async def _edit(self, call: Call) -> object:
        body = read_json(await call.request.read())
        check_edit(body)
        pod = self._scheduler.find(call.path_id)
        call.record.machine_ids.append(pod.machine_id)
        pod.edit(**_changes(body))
        pod.is_locked = body.get("locked", pod.is_locked)
        # Editing a running pod resets its container.
        if body.keys() - {"name", "locked"} and pod.started_at is not None:
            self._scheduler.restart(pod, call.record)
        return self._json(pod)

    async def _delete(self, call: Call) -> object:
        self._scheduler.terminate(self._scheduler.find(call.path_id), call.record)
        return web.Response(status=204)

    async def _act(self, call: Call) -> object:
        body = read_json(await call.request.read())
        action = body.get("action")
        unknown = sorted(body.keys() - {"action"})
        if unknown:
            raise invalid(f"$: additional properties '{unknown[0]}' not allowed")
        if action not in ACTIONS:
            raise invalid(f"$.action: value must be one of {', '.join(ACTIONS)}")
        pod = self._scheduler.find(call.path_id)
        if action == "terminate":
            self._scheduler.terminate(pod, call.record)
            return web.Response(status=204)
        if action == "start":
            await self._scheduler.start(pod, call.record)
        elif action == "stop":
            self._scheduler.stop(pod, call.record)
        else:
            self._scheduler.restart(pod, call.record)
        return self._json(pod)

    async def _logs(self, call: Call) -> object:
        return await stream_log(call.request, self._scheduler.find(call.path_id).log)

    def _json(self, pod: Pod) -> Json:
        return pod_json(pod, self._cloud.settings)


def _changes(body: Body) -> dict[str, object]:
    """Return what a PATCH changes of the order."""
    return {
        EDITED[name]: tuple(value) if name in LISTS else value
        for name, value in body.items()
        if name in EDITED
    }


def _limit(text: str | None, *, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise invalid(f"limit: value must be from 1 to {LARGEST_PAGE}")
    return int(text)


def _cursor(pod_id: str) -> str:
    return base64.urlsafe_b64encode(f"after:{pod_id}".encode()).decode()


def _start(cursor: str | None, rows: list[Json]) -> int:
    """Return the row after the one that the cursor names."""
    if cursor is None:
        return 0
    try:
        word, _, pod_id = base64.urlsafe_b64decode(cursor).decode().partition(":")
    except ValueError:
        word = pod_id = ""
    if word != "after":
        raise invalid("cursor: not a cursor of this list")
    ids = [row["id"] for row in rows]
    return ids.index(pod_id) + 1 if pod_id in ids else 0
