"""Request bodies are read within limits (T18)."""

import json
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from pytest_django.fixtures import Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api import BoundedJSONParser


class Echo(APIView):
    """Answers with the body it was sent."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []
    parser_classes = [BoundedJSONParser]

    def post(self, request: Request) -> Response:
        return Response(request.data)


def send(body: bytes) -> tuple[int, Any]:
    request = RequestFactory().post("/", body, content_type="application/json")
    response: HttpResponseBase = Echo.as_view()(request)
    assert isinstance(response, Response)
    return response.status_code, json.loads(response.render().content)


def test_a_body_within_the_limit_is_read(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    assert send(b'{"name": "sums"}') == (200, {"name": "sums"})


def test_a_body_beyond_djangos_limit_is_refused_unread(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    status, body = send(json.dumps({"name": "x" * 100}).encode())

    assert (status, body["error"]["code"]) == (413, "E_TOO_LARGE")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"{", b"NaN", b"\xff"])
def test_a_body_that_is_no_readable_json_is_a_bad_request(body: bytes) -> None:
    status, answer = send(body)

    assert (status, answer["error"]["code"]) == (400, "E_PARSE")
