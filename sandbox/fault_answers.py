"""What a caller gets to see of a fault: silence, a strange answer, half an answer, a long wait."""

import asyncio
import json

from aiohttp import web

from sandbox import errors
from sandbox.faults import Fault

TOO_MANY_REQUESTS = 429


async def wait(fault: Fault | None) -> None:
    if fault is not None:
        await asyncio.sleep(fault.seconds)


def fault_answer(fault: Fault, real: web.Response | None, *, operation: str) -> web.Response | None:
    """Return what goes out instead of the real answer; None closes the connection."""
    if fault.kind == "status":
        return _status_answer(fault, operation)
    if fault.kind == "garbage" and real is not None:
        return _truncated(real)
    return None


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _status_answer(fault: Fault, operation: str) -> web.Response:
    status, body = int(fault.values["status"]), fault.values["body"]
    if body is None:
        response = _usual_answer(status, operation)
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


def _usual_answer(status: int, operation: str) -> web.Response:
    """Return what this status looks like when Lambda sends it on this call."""
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


def _truncated(real: web.Response) -> web.Response:
    text = real.text or ""
    return web.Response(text=text[: len(text) // 2], content_type="application/json")
