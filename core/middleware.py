"""What every request passes: its id for the log, the limits of its session, its headers."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core import confirmation, sessions
from core.api.throttles import ALLOWANCE
from core.sessions import ACTIVE_AT, SIGNED_IN_AT

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# Being active is written down at most this often: not every read is a write.
_ACTIVE_GRAIN_SECONDS = 60
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIds:
    """Names each request in every line it logs and in its answer's X-Request-ID.

    An id that a proxy or a client sends is taken if it looks like one.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self._get_response(request)
        response.headers["X-Request-ID"] = request_id
        return response


class AnswerHeaders:
    """Forbids keeping what may hold somebody's data, and tells programs what they may still ask.

    A view that knows better (an ETag, a file) has set its own Cache-Control.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        response.headers.setdefault("Cache-Control", "no-store, private")
        allowance = request.META.get(ALLOWANCE)
        if allowance is not None:
            response.headers["RateLimit-Limit"] = str(allowance.limit)
            response.headers["RateLimit-Remaining"] = str(allowance.remaining)
            response.headers["RateLimit-Reset"] = str(allowance.resets_in_seconds)
        return response


class SessionLimits:
    """Ends a session 12 hours after its sign-in, and after an hour in which nobody did a thing.

    T14. A page that refreshes itself is nobody doing a thing.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if SESSION_KEY in request.session:
            now = time.time()
            if _is_over(request, now=now):
                logout(request)
            elif _is_somebody(request) and now - _active_at(request) >= _ACTIVE_GRAIN_SECONDS:
                request.session[ACTIVE_AT] = now
                sessions.note_if_due(request, now=now)
        return self._get_response(request)


def note_sign_in(sender: object, request: HttpRequest, user: User, **kwargs: object) -> None:
    """Start the clocks of a session; connected to Django's user_logged_in by our AppConfig."""
    request.session[SIGNED_IN_AT] = request.session[ACTIVE_AT] = time.time()
    confirmation.note(request)
    sessions.note(request, user)


def _is_over(request: HttpRequest, *, now: float) -> bool:
    signed_in_at = float(request.session.get(SIGNED_IN_AT, 0))
    return (
        now - signed_in_at > settings.SESSION_COOKIE_AGE
        or now - _active_at(request) > settings.SESSION_IDLE_SECONDS
    )


def _active_at(request: HttpRequest) -> float:
    return float(request.session.get(ACTIVE_AT, 0))


def _is_somebody(request: HttpRequest) -> bool:
    polls = request.method == "GET" and "HX-Request" in request.headers
    return not polls or "HX-Boosted" in request.headers
