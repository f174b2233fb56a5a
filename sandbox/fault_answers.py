"""What a caller gets to see of a fault: silence, a strange answer, half an answer, a long wait."""

import asyncio
import json
from collections.abc import Callable

from aiohttp import web

from sandbox.faults import Fault

UsualAnswer = Callable[[int, str], web.Response]


async def wait(fault: Fault | None) -> None:
    if fault is not None:
        await asyncio.sleep(fault.seconds)


def fault_answer(
    fault: Fault, real: web.StreamResponse | None, *, operation: str, usual: UsualAnswer
) -> web.Response | None:
    """Return what goes out instead of the real answer; None closes the connection.

    ``usual`` says what this cloud sends with a status on an operation.
    """
    if fault.kind == "status":
        return _status_answer(fault, operation, usual)
    if fault.kind == "garbage" and isinstance(real, web.Response):
        return _truncated(real)
    return None


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _status_answer(fault: Fault, operation: str, usual: UsualAnswer) -> web.Response:
    status, body = int(fault.values["status"]), fault.values["body"]
    if body is None:
        response = usual(status, operation)
    elif isinstance(body, str):
        kind = "text/html" if body.lstrip().startswith("<") else "text/plain"
        response = web.Response(status=status, text=body, content_type=kind)
    else:
        response = web.Response(
            status=status, text=json.dumps(body), content_type="application/json"
        )
    for name, value in fault.values["headers"].items():
        response.headers[name] = str(value)
    if fault.values["retry_after"] is not None:
        response.headers["Retry-After"] = str(fault.values["retry_after"])
    return response


def _truncated(real: web.Response) -> web.Response:
    text = real.text or ""
    return web.Response(text=text[: len(text) // 2], content_type="application/json")
