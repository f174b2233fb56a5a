"""Django's last-resort answers: the one error body under /api/ and /v1/, pages elsewhere.

``config/urls.py`` names them as handler400, handler403, handler404 and handler500.
"""

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.views import defaults

from core.api.errors import HttpRefusalError
from core.database import is_away
from core.errors import (
    DatabaseAwayError,
    NotFoundError,
    PermissionDeniedError,
    ServerFaultError,
    SlipwayError,
)

_API_PREFIXES = ("/api/", "/v1/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refused."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return _answer(HttpRefusalError(400, message="The request is not valid."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that a plain view denied."""
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return _answer(PermissionDeniedError("This is not allowed."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown address."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return _answer(NotFoundError("There is nothing here.", remedy="See /api/docs/."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after an exception that nothing caught; Django logs it."""
    # Django calls this while it handles the exception. What middleware reads, such as the
    # session, fails here too, also for an address of the interface.
    if is_away(sys.exception()):
        return _database_away(request)
    if not _is_api(request):
        return defaults.server_error(request)
    return _answer(
        ServerFaultError(
            "Slipway failed in a way it did not expect.",
            remedy="Try again; if it stays, ask the operator to look into the log.",
        )
    )


def _database_away(request: HttpRequest) -> HttpResponse:
    error = DatabaseAwayError()
    # Without the request no context processor runs: they ask the database.
    response = (
        _answer(error)
        if _is_api(request)
        else HttpResponse(loader.render_to_string("503.html"), status=error.http_status)
    )
    response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(_API_PREFIXES)


def _answer(error: SlipwayError) -> JsonResponse:
    return JsonResponse(error.as_body(), status=error.http_status)
