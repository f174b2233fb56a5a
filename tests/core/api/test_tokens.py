"""``/api/tokens``: made, listed and ended by people and by programs with the scope admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core import tokens
from core.models import ApiToken, AuditEntry
from core.time import database_now
from core.tokens import MAX_LIVE_TOKENS
from tests.builders import make_token, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def program(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_token(user, scopes=['admin'])}"})


def post(client: Client, body: object) -> Any:
    return client.post("/api/tokens", body, content_type="application/json")


def test_a_new_token_opens_what_its_scopes_say(user: User, program: Client) -> None:
    expires_at = (database_now() + timedelta(days=30)).isoformat()

    answer = post(program, {"name": "ci", "scopes": ["read"], "expires_at": expires_at})

    made = answer.json()
    assert answer.status_code == 201
    found = tokens.authenticate(made["token"])
    assert found is not None
    assert (found.user, found.scopes, made["scopes"]) == (user, ["read"], ["read"])
    assert made["prefix"] == made["token"][:8]
    assert made["notice"]


def test_a_person_with_a_session_makes_tokens_too(user: User) -> None:
    browser = Client()
    browser.force_login(user)

    assert post(browser, {"name": "laptop"}).json()["scopes"] == ["read", "deploy"]


def test_no_list_and_no_later_look_shows_the_token_or_its_hash(program: Client) -> None:
    made = post(program, {"name": "ci"}).json()

    listed = program.get("/api/tokens")
    shown = program.get(f"/api/tokens/{made['id']}")

    row = ApiToken.objects.get(pk=made["id"])
    for answer in (listed, shown):
        assert answer.status_code == 200
        assert made["token"].encode() not in answer.content
        assert row.token_hash.encode() not in answer.content
    assert [each["name"] for each in listed.json()["data"]] == ["ci", "test"]


def test_a_deleted_token_opens_nothing_and_stays_in_the_list(program: Client) -> None:
    made = post(program, {"name": "ci"}).json()

    ended = [program.delete(f"/api/tokens/{made['id']}").status_code for _ in range(2)]

    assert ended == [204, 204]
    assert tokens.authenticate(made["token"]) is None
    assert program.get(f"/api/tokens/{made['id']}").json()["revoked_at"] is not None


@pytest.mark.parametrize("scope", ["read", "deploy"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_token_that_may_not_administer_cannot_make_itself_stronger(
    user: User, scope: str, method: str
) -> None:
    weak = Client(headers={"Authorization": f"Bearer {make_token(user, scopes=[scope])}"})

    answer = getattr(weak, method)("/api/tokens")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "E_SCOPE")
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "ci", "scopes": ["root"]}, "scopes.0"),
        ({"name": "ci", "scopes": []}, "scopes"),
        ({"name": "ci", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "ci", "user": 1}, "user"),
    ],
)
def test_what_makes_no_token_is_refused_by_name(program: Client, body: object, param: str) -> None:
    answer = post(program, body)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_loop_that_makes_tokens_is_stopped(user: User, program: Client) -> None:
    for number in range(MAX_LIVE_TOKENS - 1):
        ApiToken.objects.create(user=user, name="loop", prefix="slw_", token_hash=str(number))

    answer = post(program, {"name": "one too many"})

    assert answer.status_code == 409


def test_i19_making_and_ending_a_token_leaves_audit_rows_without_it(
    user: User, program: Client
) -> None:
    made = post(program, {"name": "ci"}).json()
    for _ in range(2):
        program.delete(f"/api/tokens/{made['id']}")

    entries = AuditEntry.objects.filter(object_id=made["id"]).order_by("id")
    assert [(e.action, e.who) for e in entries] == [
        ("token.created", user.username),
        ("token.revoked", user.username),
    ]
    assert made["token"] not in str([vars(entry) for entry in entries])
