"""The errors of REST v2: application/problem+json (runpod-api.md section 3.4)."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType

from aiohttp import web

from sandbox.runpod.refusals import PodRefusedError, Refusal

STATUSES: Mapping[Refusal, int] = MappingProxyType(
    {
        Refusal.NO_CAPACITY: 400,
        Refusal.HOST_FULL: 400,
        Refusal.NO_MONEY: 402,
        Refusal.NOT_FOUND: 404,
        Refusal.WRONG_STATE: 409,
        Refusal.LOCKED: 409,
    }
)
# What a status says when nothing more is known; 5xx and 401 texts are not recorded anywhere.
DETAILS: Mapping[int, str] = MappingProxyType(
    {
        400: Refusal.NO_CAPACITY.value,
        401: "invalid bearer token",
        402: Refusal.NO_MONEY.value,
        403: "access denied",
        404: Refusal.NOT_FOUND.value,
        409: Refusal.WRONG_STATE.value,
        422: "Request validation failed.",
        429: "rate limit exceeded for the minute window",
    }
)
RETRY_AFTER_SECONDS = 60


class ProblemError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, detail: str, *, errors: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)

    def response(self) -> web.Response:
        body: dict[str, object] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        response = web.Response(
            status=self.status, text=json.dumps(body), content_type="application/problem+json"
        )
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


def of_refusal(error: PodRefusedError) -> ProblemError:
    return ProblemError(STATUSES[error.refusal], error.refusal.value)


def usual(status: int) -> ProblemError:
    """Return what v2 sends with a status."""
    return ProblemError(status, DETAILS.get(status, HTTPStatus(status).phrase.lower()))


def invalid(*errors: str) -> ProblemError:
    """Return the 422 of a body that does not match; each error is "$.path: what is wrong"."""
    return ProblemError(422, DETAILS[422], errors=errors)
