"""Who gets in with a token, and what its scopes allow."""

from datetime import timedelta
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from core import tokens
from core.time import database_now
from tests.builders import make_token, make_user

pytestmark = pytest.mark.django_db


class Desk(APIView):
    """Tells who calls; ending it needs the scope admin."""

    required_scopes = {"DELETE": "admin"}

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})

    post = delete = get


def ask(method: str = "GET", *, authorization: str | None = None) -> Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    request = APIRequestFactory().generic(method, "/api/desk", headers=headers)
    response: HttpResponseBase = Desk.as_view()(request)
    assert isinstance(response, Response)
    return response


def code(response: Response) -> Any:
    return response.data["error"]["code"]


def test_a_token_signs_its_user_in() -> None:
    user = make_user("ada")

    response = ask(authorization=f"Bearer {make_token(user)}")

    assert (response.status_code, response.data) == (200, {"user": "ada"})


def test_the_scheme_is_read_without_regard_to_case() -> None:
    assert ask(authorization=f"bEARER {make_token()}").status_code == 200


def test_nobody_gets_in_without_a_token() -> None:
    response = ask()

    assert (response.status_code, code(response)) == (401, "E_UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_unknown_expired_and_revoked_tokens_are_answered_alike() -> None:
    expired, expired_text = tokens.create_token(make_user(), name="old")
    expired.expires_at = database_now() - timedelta(seconds=1)
    expired.save()
    revoked, revoked_text = tokens.create_token(make_user(), name="ended")
    tokens.revoke(revoked, actor=revoked.user)
    answers = [
        ask(authorization=f"Bearer {text}")
        for text in ("slw_unknown", expired_text, revoked_text, "", "two words", "é")
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.data == answers[0].data for answer in answers)
    assert code(answers[0]) == "E_TOKEN"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("read", {"GET"}),
        ("deploy", {"GET", "POST"}),
        ("admin", {"GET", "POST", "DELETE"}),
    ],
)
def test_each_scope_includes_the_ones_before_it(scope: str, allowed: set[str]) -> None:
    header = f"Bearer {make_token(scopes=[scope])}"

    answers = {method: ask(method, authorization=header) for method in ("GET", "POST", "DELETE")}

    assert {method for method, answer in answers.items() if answer.status_code == 200} == allowed
    refused = [answer for answer in answers.values() if answer.status_code != 200]
    assert all((answer.status_code, code(answer)) == (403, "E_SCOPE") for answer in refused)


def test_a_person_with_a_session_needs_no_scope() -> None:
    request = APIRequestFactory().delete("/api/desk")
    force_authenticate(request, user=make_user())

    assert Desk.as_view()(request).status_code == 200
