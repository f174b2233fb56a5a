"""Django's own answers: the one error body below /api/ and /v1/, pages elsewhere."""

import json
from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory

from core.api import handlers

Handler = Callable[[HttpRequest], HttpResponse]
HANDLERS: list[tuple[Handler, int, str]] = [
    (lambda request: handlers.bad_request(request, SuspiciousOperation()), 400, "E_PARSE"),
    (lambda request: handlers.permission_denied(request, PermissionDenied()), 403, "E_FORBIDDEN"),
    (lambda request: handlers.not_found(request, Http404()), 404, "E_NOT_FOUND"),
    (handlers.server_error, 500, "E_INTERNAL"),
]
PREFIXES = ("/api/nothing", "/v1/nothing")


@pytest.mark.parametrize("path", PREFIXES)
@pytest.mark.parametrize(("handler", "status", "code"), HANDLERS)
def test_an_address_of_the_interface_answers_with_the_one_error_body(
    handler: Handler, status: int, code: str, path: str
) -> None:
    response = handler(RequestFactory().get(path))

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert json.loads(response.content)["error"]["code"] == code


@pytest.mark.parametrize(("handler", "status", "code"), HANDLERS)
def test_any_other_address_answers_with_a_page(handler: Handler, status: int, code: str) -> None:
    response = handler(RequestFactory().get("/jobs/nothing"))

    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")
