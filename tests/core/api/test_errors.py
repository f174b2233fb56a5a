"""Every failure of a REST view becomes the one error body, and the unexpected is told to nobody."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from core.errors import ConflictError, RateLimitedError

EXPECTED: list[tuple[Exception, int, str, str]] = [
    (ConflictError("Taken."), 409, "E_CONFLICT", "conflict_error"),
    (exceptions.ValidationError({"name": ["Bad."]}), 400, "E_INVALID", "invalid_request_error"),
    (exceptions.ParseError(), 400, "E_PARSE", "invalid_request_error"),
    (exceptions.NotAuthenticated(), 401, "E_UNAUTHENTICATED", "authentication_error"),
    (exceptions.AuthenticationFailed(), 401, "E_UNAUTHENTICATED", "authentication_error"),
    (exceptions.PermissionDenied(), 403, "E_FORBIDDEN", "permission_error"),
    (PermissionDenied(), 403, "E_FORBIDDEN", "permission_error"),
    (exceptions.NotFound(), 404, "E_NOT_FOUND", "not_found_error"),
    (Http404(), 404, "E_NOT_FOUND", "not_found_error"),
    (exceptions.MethodNotAllowed("PUT"), 405, "E_METHOD", "invalid_request_error"),
    (exceptions.NotAcceptable(), 406, "E_NOT_ACCEPTABLE", "invalid_request_error"),
    (exceptions.UnsupportedMediaType("a/b"), 415, "E_MEDIA_TYPE", "invalid_request_error"),
    (RequestDataTooBig(), 413, "E_TOO_LARGE", "invalid_request_error"),
    (SuspiciousOperation(), 400, "E_PARSE", "invalid_request_error"),
    (exceptions.Throttled(wait=7), 429, "E_RATE_LIMITED", "rate_limit_error"),
    (ZeroDivisionError("inner secret"), 500, "E_INTERNAL", "server_error"),
]

Answer = Callable[[Exception], Response]


@pytest.fixture
def answer() -> Answer:
    """Return what a view answers that raises this exception."""

    def ask(error: Exception) -> Response:
        class Raising(APIView):
            authentication_classes: list[Any] = []
            permission_classes: list[Any] = []
            throttle_classes: list[Any] = []

            def get(self, request: Any) -> Response:
                raise error

        response = Raising.as_view()(APIRequestFactory().get("/api/something"))
        assert isinstance(response, Response)
        response.render()
        return response

    return ask


@pytest.mark.parametrize(
    ("error", "status", "code", "kind"), EXPECTED, ids=lambda value: type(value).__name__
)
def test_any_exception_is_answered_with_the_one_error_body(
    answer: Answer, error: Exception, status: int, code: str, kind: str
) -> None:
    response = answer(error)

    body = json.loads(response.content)
    assert list(body) == ["error"]
    assert set(body["error"]) - {"details"} == {"code", "type", "message", "param", "remedy"}
    assert (response.status_code, body["error"]["code"]) == (status, code)
    assert body["error"]["type"] == kind
    assert body["error"]["message"]


def test_what_is_unexpected_is_logged_with_its_traceback_and_answered_without_detail(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = answer(ZeroDivisionError("inner secret"))

    assert b"inner secret" not in response.content
    assert "ZeroDivisionError" in caplog.text
    assert "GET /api/something" in caplog.text


def test_an_expected_error_is_not_logged_as_a_fault(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="core"):
        answer(ConflictError("Taken."))

    assert caplog.text == ""


def test_a_refused_field_is_named_with_its_path_and_all_findings_are_listed(
    answer: Answer,
) -> None:
    nested: Any = {
        "hyperparameters": {"lora_r": ["Too large."]},
        "rows": [{}, {"role": ["Unknown."]}],
    }

    body = json.loads(answer(exceptions.ValidationError(nested)).content)["error"]

    assert (body["param"], body["message"]) == ("hyperparameters.lora_r", "Too large.")
    assert body["details"] == [
        {"param": "hyperparameters.lora_r", "message": "Too large."},
        {"param": "rows[1].role", "message": "Unknown."},
    ]


def test_a_finding_about_no_field_names_none(answer: Answer) -> None:
    error = exceptions.ValidationError({"non_field_errors": ["These do not go together."]})

    body = json.loads(answer(error).content)["error"]

    assert (body["param"], body["message"]) == (None, "These do not go together.")


def test_too_many_requests_say_when_to_come_back(answer: Answer) -> None:
    throttled = answer(exceptions.Throttled(wait=7))
    ours = answer(RateLimitedError("Slow down.", retry_after_seconds=30))

    assert throttled.headers["Retry-After"] == "7"
    assert ours.headers["Retry-After"] == "30"


def test_a_missing_sign_in_names_the_scheme(answer: Answer) -> None:
    response = answer(exceptions.NotAuthenticated())

    assert response.headers["WWW-Authenticate"] == "Bearer"
