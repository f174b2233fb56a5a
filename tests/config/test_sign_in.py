"""Sessions end, and guessing passwords gets nowhere (T1, T14)."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings as django_settings
from django.test import Client
from pytest_django.fixtures import Settings

from core.models import AuditEntry
from tests.builders import NOON, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def account(settings: Settings) -> None:
    # Quick, for here nobody keeps the hash.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    make_user("ada", password=PASSWORD)


@pytest.fixture
def signed_in() -> Client:
    client = Client()
    with time_machine.travel(NOON, tick=False):
        client.post("/login/", {"username": "ada", "password": PASSWORD})
    return client


def is_in(client: Client, *, minutes: float, **headers: str) -> bool:
    """Look at a page so many minutes after the sign-in."""
    with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False):
        return client.get("/vault/", headers=headers).status_code == 200


def test_t14_a_session_ends_after_an_hour_without_anybody(signed_in: Client) -> None:
    assert is_in(signed_in, minutes=59)
    assert is_in(signed_in, minutes=59 + 59)
    assert not is_in(signed_in, minutes=59 + 59 + 61)
    assert not is_in(signed_in, minutes=59 + 59 + 62)


def test_t14_a_session_ends_12_hours_after_its_sign_in_whatever_happens(signed_in: Client) -> None:
    busy = [is_in(signed_in, minutes=minutes) for minutes in range(30, 12 * 60 + 1, 30)]

    assert all(busy)
    assert not is_in(signed_in, minutes=12 * 60 + 1)


def test_t14_a_page_that_refreshes_itself_keeps_no_session_alive(signed_in: Client) -> None:
    polls = [is_in(signed_in, minutes=m, **{"HX-Request": "true"}) for m in range(5, 60, 5)]

    assert all(polls)
    assert not is_in(signed_in, minutes=61)


def test_t14_signing_in_gives_the_session_a_new_name() -> None:
    client = Client()
    client.get("/login/")
    client.cookies[django_settings.SESSION_COOKIE_NAME] = "planted"

    client.post("/login/", {"username": "ada", "password": PASSWORD})

    assert client.cookies[django_settings.SESSION_COOKIE_NAME].value != "planted"


def attempt(username: str, password: str, *, address: str = "203.0.113.1") -> tuple[int, bytes]:
    # Without the form's own token, which differs each time.
    answer = Client(REMOTE_ADDR=address).post(
        "/login/", {"username": username, "password": password}
    )
    lines = answer.content.replace(username.encode(), b"NAME").splitlines()
    return answer.status_code, b"\n".join(line for line in lines if b"csrf" not in line)


def test_t1_five_wrong_passwords_lock_an_account_for_that_address_for_a_minute() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        statuses = [attempt("ada", "wrong")[0] for _ in range(7)]
        right_but_locked = attempt("ada", PASSWORD)[0]
        elsewhere = attempt("ada", PASSWORD, address="203.0.113.2")[0]
        clock.shift(61)
        after_a_minute = attempt("ada", PASSWORD)[0]

    assert statuses == [200, 200, 200, 200, 429, 429, 429]
    assert right_but_locked == 429
    assert (elsewhere, after_a_minute) == (302, 302)


def test_t1_an_account_that_does_not_exist_is_answered_alike() -> None:
    with time_machine.travel(NOON, tick=False):
        known = [attempt("ada", "wrong") for _ in range(6)]
        unknown = [attempt("eve", "wrong") for _ in range(6)]

    assert known == unknown


def test_t1_a_lock_says_when_it_ends_and_leaves_an_audit_row_without_the_name() -> None:
    for _ in range(5):
        answer = Client().post("/login/", {"username": "hunter2", "password": "wrong"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    entry = AuditEntry.objects.get(action="sign_in.locked")
    assert "hunter2" not in str(vars(entry))
