"""Sessions are known by whose they are, and can be ended; sensitive acts ask again (T14)."""

import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django.fixtures import Settings

from core import confirmation, sessions
from core.models import ApiToken, AuditEntry, SignIn
from secrets_vault.models import VaultEntry
from tests.builders import NOON, SECRET, make_token, make_user, make_vault_entry

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada() -> User:
    return make_user("ada", password=PASSWORD)


def signed_in(user: User, *, agent: str = "curl/8", address: str = "203.0.113.1") -> Client:
    client = Client(REMOTE_ADDR=address, headers={"User-Agent": agent})
    answer = client.post("/login/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def key_of(client: Client) -> str:
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def test_a_sign_in_is_kept_with_when_and_from_where(ada: User) -> None:
    with time_machine.travel(NOON, tick=False):
        client = signed_in(ada, agent="A browser", address="203.0.113.7")

    kept = SignIn.objects.get(user=ada)
    assert (kept.created_at, kept.last_seen_at) == (NOON, NOON)
    assert (kept.user_agent, kept.address) == ("A browser", "203.0.113.7")
    assert kept.session_id == key_of(client)


def test_signing_out_takes_the_row_with_it(ada: User) -> None:
    client = signed_in(ada)

    client.post("/logout/")

    assert not SignIn.objects.exists()


def test_the_row_is_written_at_most_every_few_minutes(ada: User) -> None:
    with time_machine.travel(NOON, tick=False):
        client = signed_in(ada)
    seen = []

    for minutes in (1, 2, 4, 6, 7, 12):
        with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False):
            client.get("/vault/")
        seen.append((SignIn.objects.get().last_seen_at - NOON) / timedelta(minutes=1))

    assert seen == [0, 0, 0, 6, 6, 12]


def test_a_session_that_had_no_row_gets_one_when_it_is_seen(ada: User) -> None:
    with time_machine.travel(NOON, tick=False):
        client = signed_in(ada)
    SignIn.objects.all().delete()

    with time_machine.travel(NOON + timedelta(minutes=6), tick=False):
        client.get("/vault/")

    kept = SignIn.objects.get(user=ada)
    assert (kept.created_at, kept.last_seen_at) == (NOON, NOON + timedelta(minutes=6))


def test_t14_an_ended_session_must_sign_in_again_and_the_others_need_not(ada: User) -> None:
    stolen, own = signed_in(ada), signed_in(ada)
    row = SignIn.objects.get(session_id=key_of(stolen))

    sessions.end(row, actor=ada)

    assert stolen.get("/vault/").status_code == 302
    assert own.get("/vault/").status_code == 200
    assert AuditEntry.objects.filter(action="session.ended", object_id=str(row.pk)).exists()
    assert not Session.objects.filter(pk=row.session_id).exists()


def test_sessions_that_are_over_are_not_listed(ada: User) -> None:
    with time_machine.travel(NOON, tick=False):
        signed_in(ada)
        assert sessions.live_sign_ins(ada).count() == 1

    with time_machine.travel(NOON + timedelta(minutes=64), tick=False):
        still_maybe = sessions.live_sign_ins(ada).count()
    with time_machine.travel(NOON + timedelta(minutes=66), tick=False):
        idle = sessions.live_sign_ins(ada).count()

    assert (still_maybe, idle) == (1, 0)


def test_only_ones_own_sessions_are_listed(ada: User) -> None:
    signed_in(make_user("eve", password=PASSWORD))

    assert not sessions.live_sign_ins(ada).exists()


# The password again (T14).


def later(minutes: float) -> Any:
    return time_machine.travel(NOON + timedelta(minutes=minutes), tick=False)


@pytest.fixture
def browser(ada: User) -> Client:
    with later(0):
        return signed_in(ada)


ACTS = [
    ("post", "/api/tokens", {"name": "x"}),
    ("post", "/api/vault/entries", {"provider": "lambda", "secret": SECRET}),
    ("post", "/api/vault/entries/{entry}/replace", {"secret": SECRET}),
    ("delete", "/api/vault/entries/{entry}", {}),
]


@pytest.mark.parametrize(("verb", "address", "body"), ACTS)
def test_t14_the_api_too_asks_a_session_for_the_password_after_15_minutes(
    ada: User, browser: Client, verb: str, address: str, body: dict[str, str]
) -> None:
    entry = make_vault_entry(ada)

    with later(16):
        answer = getattr(browser, verb)(
            address.format(entry=entry.pk), body, content_type="application/json"
        )

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "E_PASSWORD_NEEDED")
    assert "/settings/confirm/" in error["remedy"]
    assert not ApiToken.objects.exists()
    assert list(VaultEntry.objects.active()) == [entry]


def test_t14_within_15_minutes_a_session_may_without(browser: Client) -> None:
    with later(14):
        answer = browser.post("/api/tokens", {"name": "x"}, content_type="application/json")

    assert answer.status_code == 201


def test_t14_a_program_with_a_token_has_no_password_to_give(ada: User) -> None:
    entry = make_vault_entry(ada)
    program = Client(headers={"Authorization": f"Bearer {make_token(ada)}"})

    assert program.delete(f"/api/vault/entries/{entry.pk}").status_code == 204


def test_t14_a_confirmation_from_the_future_counts_for_nothing(browser: Client) -> None:
    session = browser.session
    with later(0):
        session[confirmation.CONFIRMED_AT] = time.time() + 3600
        session.save()
        answer = browser.post("/api/tokens", {"name": "x"}, content_type="application/json")

    assert answer.status_code == 403
