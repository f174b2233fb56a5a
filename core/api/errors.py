"""Every failure becomes the one error body of API.md section 1."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from core.database import is_away
from core.errors import (
    AuthenticationError,
    DatabaseAwayError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerFaultError,
    SlipwayError,
    TooLargeError,
)

logger = logging.getLogger(__name__)

# What HTTP itself may refuse: code, message, remedy by status.
_HTTP_REFUSALS = {
    400: ("E_PARSE", "The request body could not be read.", "Send valid JSON in UTF-8."),
    405: ("E_METHOD", "This address does not take that method.", "See /api/docs/."),
    406: ("E_NOT_ACCEPTABLE", "The answer cannot be given in that form.", "Accept JSON."),
    415: ("E_MEDIA_TYPE", "The body's content type is not taken here.", "See /api/docs/."),
}


class HttpRefusalError(SlipwayError):
    """HTTP's own refusals: unreadable body, wrong method, wrong content type."""

    code = "E_INVALID"
    type = "invalid_request_error"
    http_status = 400

    def __init__(self, status: int, *, message: str = "") -> None:
        code, usual, remedy = _HTTP_REFUSALS.get(status, _HTTP_REFUSALS[400])
        super().__init__(message or usual, remedy=remedy, code=code)
        self.status = status


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of a REST view; what is unexpected is logged and told without detail."""
    error = as_slipway_error(exc)
    request = context.get("request")
    if isinstance(exc, AuthenticationError) and request is not None:
        # Whoever renders the answer must not try the refused token again.
        request.user = AnonymousUser()
    if isinstance(error, DatabaseAwayError):
        logger.warning("The database is away: %s", exc)
    elif error.http_status >= 500 and not isinstance(exc, SlipwayError):
        logger.error(
            "Unexpected error in %s %s",
            getattr(request, "method", "?"),
            getattr(request, "path", "?"),
            exc_info=exc,
        )
    status = error.status if isinstance(error, HttpRefusalError) else error.http_status
    return Response(error.as_body(), status=status, headers=_headers(exc, error))


def as_slipway_error(exc: Exception) -> SlipwayError:
    """Translate Django's and REST framework's exceptions into ours."""
    match exc:
        case SlipwayError():
            return exc
        case exceptions.ValidationError():
            return _from_validation(exc)
        case Http404() | exceptions.NotFound():
            return NotFoundError("There is nothing here.", remedy="Check the address and the id.")
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return AuthenticationError(
                "Nobody is signed in.", remedy="Send Authorization: Bearer slw_..., or sign in."
            )
        case exceptions.PermissionDenied() | PermissionDenied():
            return PermissionDeniedError(
                _text(getattr(exc, "detail", "")) or "This is not allowed.",
                remedy="Ask somebody who may do it.",
            )
        case exceptions.Throttled():
            wait = int(getattr(exc, "wait", None) or 60)
            return RateLimitedError(
                "Too many requests.", remedy=f"Wait {wait} seconds.", retry_after_seconds=wait
            )
        case RequestDataTooBig():
            return TooLargeError("The request body is too large.", remedy="Send less at once.")
        case exceptions.APIException() if exc.status_code < 500:
            return HttpRefusalError(exc.status_code, message=_text(exc.detail))
        case SuspiciousOperation():
            return HttpRefusalError(400)
        case _:
            return _of_ours(exc)


def _of_ours(exc: Exception) -> SlipwayError:
    """What nobody who asks can help: the database is away, or we did not expect it."""
    if is_away(exc):
        return DatabaseAwayError()
    return ServerFaultError(
        "Slipway failed in a way it did not expect.",
        remedy="Try again; if it stays, ask the operator to look into the log.",
    )


def _from_validation(exc: exceptions.ValidationError) -> InvalidInputError:
    found = [
        {"param": param or None, "message": message} for param, message in _flat(exc.detail, "")
    ]
    first = found[0] if found else {"param": None, "message": "The input is not valid."}
    return InvalidInputError(
        str(first["message"]), remedy="Correct the input.", param=first["param"], details=found
    )


def _flat(detail: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield (field path, message) of the framework's nested findings."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            inner = path if key == "non_field_errors" else f"{path}.{key}".lstrip(".")
            yield from _flat(value, inner)
    elif isinstance(detail, list):
        nested = any(isinstance(item, (Mapping, list)) for item in detail)
        for index, item in enumerate(detail):
            yield from _flat(item, f"{path}[{index}]" if nested else path)
    else:
        yield path, str(detail)


def _text(detail: object) -> str:
    return detail if isinstance(detail, str) else ""


def _headers(exc: Exception, error: SlipwayError) -> dict[str, str]:
    headers = {}
    if isinstance(error, AuthenticationError):
        headers["WWW-Authenticate"] = getattr(exc, "auth_header", None) or "Bearer"
    wait = getattr(error, "retry_after_seconds", None)
    if wait is not None:
        headers["Retry-After"] = str(wait)
    return headers
