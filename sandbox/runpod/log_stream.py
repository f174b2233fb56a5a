"""GET /v2/pods/{id}/logs: the lines as Server-Sent Events, then every new one until the end."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from sandbox.runpod.pod_log import SOURCES, Line, PodLog, stamp
from sandbox.runpod.problems import invalid

DEFAULT_TAIL = 100
LARGEST_TAIL = 5000
# A comment line this often shows that the stream lives, and finds clients that have gone.
COMMENT_SECONDS = 5.0


async def stream_log(request: web.Request, log: PodLog) -> web.StreamResponse:
    """Send what was asked for; raises ProblemError before the first byte."""
    is_wanted, tail = _filter(request), _tail(request)
    lines = log.fitting(is_wanted)[-tail:] if tail else []
    response = web.StreamResponse(headers={"Cache-Control": "no-cache"})
    response.content_type = "text/event-stream"
    await response.prepare(request)
    sent = len(log.lines)
    try:
        await _send(response, lines)
        while not log.has_ended:
            await _wait(log, response)
            await _send(response, [line for line in log.lines[sent:] if is_wanted(line)])
            sent = len(log.lines)
        await response.write_eof()
    except ConnectionError:
        # The reader has seen enough.
        return response
    return response


async def _send(response: web.StreamResponse, lines: list[Line]) -> None:
    for line in lines:
        event = f"id: {line.ts}\ndata: {json.dumps(line.as_json())}\n\n"
        await response.write(event.encode())


async def _wait(log: PodLog, response: web.StreamResponse) -> None:
    try:
        async with asyncio.timeout(COMMENT_SECONDS):
            await log.more()
    except TimeoutError:
        await response.write(b": still here\n\n")


def _filter(request: web.Request) -> Callable[[Line], bool]:
    """Return whether a line fits source, since and Last-Event-ID."""
    source = request.query.get("source")
    if source is not None and source not in SOURCES:
        raise invalid(f"source: value must be one of {', '.join(SOURCES)}")
    since = request.query.get("since")
    last = request.headers.get("Last-Event-ID")
    earliest = "" if since is None else _read_time("since", since)
    after = "" if last is None else _read_time("Last-Event-ID", last)
    return lambda line: source in (None, line.source) and line.ts >= earliest and line.ts > after


def _read_time(name: str, text: str) -> str:
    try:
        return stamp(datetime.fromisoformat(text))
    except ValueError:
        raise invalid(f"{name}: value must be a time") from None


def _tail(request: web.Request) -> int:
    text = request.query.get("tail", str(DEFAULT_TAIL))
    if not text.isdecimal() or int(text) > LARGEST_TAIL:
        raise invalid(f"tail: value must be from 0 to {LARGEST_TAIL}")
    return int(text)
