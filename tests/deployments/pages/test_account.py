"""The settings page: tokens, sessions, the password, and being asked for it again (T14)."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from core import tokens
from core.models import ApiToken, AuditEntry, FirstAnswer, SignIn
from secrets_vault.models import VaultEntry
from tests import builders
from tests.builders import NOON

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada() -> User:
    return builders.make_user("ada", password=PASSWORD)


def browser_of(user: User, *, agent: str = FIREFOX, address: str = "203.0.113.1") -> Client:
    client = Client(REMOTE_ADDR=address, headers={"User-Agent": agent})
    client.post("/login/", {"username": user.username, "password": PASSWORD})
    return client


@pytest.fixture
def browser(ada: User) -> Client:
    return browser_of(ada)


def later(minutes: float) -> Any:
    return time_machine.travel(NOON + timedelta(minutes=minutes), tick=False)


@pytest.fixture
def long_signed_in(ada: User) -> Client:
    """Return a browser that gave its password at NOON; the tests go on 20 minutes later."""
    with later(0):
        return browser_of(ada)


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


# Tokens.


def make(browser: Client, **fields: str) -> Any:
    given = {"name": "nightly", "scope": "deploy", "days": "30"} | fields
    return browser.post("/settings/tokens/new/", given)


def test_a_new_token_is_shown_once_and_opens_what_it_says(ada: User, browser: Client) -> None:
    answer = make(browser)

    (plaintext,) = re.findall(r"slw_[\w-]{40,}", answer.content.decode())
    token = tokens.authenticate(plaintext)
    assert token is not None
    assert (token.user, token.name, token.scopes) == (ada, "nightly", ["read", "deploy"])
    assert token.expires_at is not None
    assert token.expires_at - token.created_at == pytest.approx(
        timedelta(days=30), abs=timedelta(seconds=30)
    )
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert AuditEntry.objects.get(action="token.created").object_id == str(token.pk)


def test_t26_the_token_is_kept_nowhere_and_shown_nowhere_else(browser: Client) -> None:
    (plaintext,) = re.findall(r"slw_[\w-]{40,}", make(browser).content.decode())

    listed = browser.get("/settings/")

    assert plaintext[:8] in listed.content.decode()
    assert plaintext not in listed.content.decode()
    assert plaintext not in str(ApiToken.objects.values().get())
    assert not FirstAnswer.objects.exists()
    assert plaintext not in str(browser.session.items())


def test_a_token_may_be_made_that_never_ends(browser: Client) -> None:
    make(browser, days="0", scope="read")

    token = ApiToken.objects.get()
    assert (token.expires_at, token.scopes) == (None, ["read"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": ""}, "Name it after the program"),
        ({"scope": "root"}, "Select a valid choice"),
        ({"days": "-1"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_a_token_is_told_beside_its_field(
    browser: Client, given: dict[str, str], told: str
) -> None:
    assert told in make(browser, **given).content.decode()
    assert not ApiToken.objects.exists()


def test_nobody_has_more_tokens_than_the_api_allows(
    ada: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_LIVE_TOKENS", 1)
    make(browser)

    answer = make(browser)

    assert answer.status_code == 409
    assert "Revoke one you do not use." in answer.content.decode()


def test_a_token_is_revoked_after_a_page_that_says_what_is_lost(ada: User, browser: Client) -> None:
    token, plaintext = tokens.create_token(ada, name="nightly")

    asked = browser.get(f"/settings/tokens/{token.pk}/revoke/")
    still_good = tokens.authenticate(plaintext)
    told = browser.post(f"/settings/tokens/{token.pk}/revoke/", follow=True)

    assert "Lost:" in asked.content.decode()
    assert still_good is not None
    assert "The token nightly opens nothing any more." in told.content.decode()
    assert tokens.authenticate(plaintext) is None
    assert AuditEntry.objects.get(action="token.revoked").who == "ada"


def test_t2_somebody_elses_token_is_not_found(browser: Client) -> None:
    token, plaintext = tokens.create_token(builders.make_user(), name="theirs")

    answer = browser.post(f"/settings/tokens/{token.pk}/revoke/")

    assert answer.status_code == 404
    assert tokens.authenticate(plaintext) is not None
    assert "theirs" not in browser.get("/settings/").content.decode()


# Sessions.


def test_sessions_are_listed_with_browser_and_address_and_which_is_this_one(
    ada: User, browser: Client
) -> None:
    browser_of(ada, agent=SAFARI, address="198.51.100.4")

    shown = text_of(browser.get("/settings/"))

    assert "Firefox on Windows 203.0.113.1" in shown
    assert "Safari on iPhone 198.51.100.4" in shown
    assert shown.count("This one") == 1


def test_one_session_is_ended_and_only_that_one(ada: User, browser: Client) -> None:
    other = browser_of(ada, agent=SAFARI)
    row = SignIn.objects.get(user_agent=SAFARI)

    asked = browser.get(f"/settings/sessions/{row.pk}/end/")
    told = browser.post(f"/settings/sessions/{row.pk}/end/", follow=True)

    assert "End the session of Safari on iPhone?" in asked.content.decode()
    assert "Safari on iPhone is signed out." in told.content.decode()
    assert other.get("/settings/").status_code == 302


def test_ones_own_session_is_ended_by_signing_out(browser: Client) -> None:
    row = SignIn.objects.get()

    told = browser.post(f"/settings/sessions/{row.pk}/end/", follow=True)

    assert "Sign out to end it." in told.content.decode()


def test_all_other_sessions_are_ended_at_once(ada: User, browser: Client) -> None:
    others = [browser_of(ada), browser_of(ada)]

    asked = text_of(browser.get("/settings/sessions/end/"))
    told = text_of(browser.post("/settings/sessions/end/", follow=True))

    assert "2\N{NO-BREAK SPACE}sessions" in asked or "2 sessions" in asked
    assert "only this one is left" in told
    assert {each.get("/settings/").status_code for each in others} == {302}
    assert browser.get("/settings/").status_code == 200


def test_t2_somebody_elses_session_is_not_found(browser: Client) -> None:
    eve = builders.make_user("eve", password=PASSWORD)
    theirs = browser_of(eve)
    row = SignIn.objects.get(user=eve)

    answer = browser.post(f"/settings/sessions/{row.pk}/end/")

    assert answer.status_code == 404
    assert theirs.get("/settings/").status_code == 200


# The password.

NEW = "four new words, none alike"


def change(browser: Client, **fields: str) -> Any:
    given = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW} | fields
    return browser.post("/settings/password/", given, follow=True)


def test_a_new_password_ends_every_session_but_this_one(ada: User, browser: Client) -> None:
    other = browser_of(ada)

    told = change(browser)

    assert "Your password is changed." in told.content.decode()
    assert text_of(told).count("This one") == 1
    assert SignIn.objects.filter(user=ada).count() == 1
    assert other.get("/settings/").status_code == 302
    assert browser.get("/settings/").status_code == 200
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert AuditEntry.objects.filter(action="password.changed").count() == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"old_password": "wrong"}, "This is not your password."),
        ({"new_password2": "something else entirely"}, "The two password fields"),
        ({"new_password1": "12345678", "new_password2": "12345678"}, "too common"),
    ],
)
def test_a_password_that_cannot_be_is_told_and_never_sent_back(
    ada: User, browser: Client, given: dict[str, str], told: str
) -> None:
    page = change(browser, **given).content.decode()

    ada.refresh_from_db()
    assert told in page
    assert not any(f'value="{typed}"' in page for typed in (PASSWORD, NEW, *given.values()))
    assert ada.check_password(PASSWORD)


def test_t1_guessing_the_old_password_is_locked_as_at_the_sign_in(browser: Client) -> None:
    statuses = [change(browser, old_password="wrong").status_code for _ in range(6)]

    assert statuses == [200, 200, 200, 200, 429, 429]
    assert change(browser).status_code == 429


# The password again (T14).


@pytest.fixture
def entry(ada: User) -> VaultEntry:
    return builders.make_vault_entry(ada)


@pytest.mark.parametrize(
    "address",
    [
        "/settings/tokens/new/",
        "/settings/sessions/end/",
        "/settings/sessions/{session}/end/",
        "/vault/{entry}/replace/",
        "/vault/{entry}/delete/",
    ],
)
@pytest.mark.parametrize("verb", ["get", "post"])
def test_t14_after_15_minutes_the_password_comes_first_and_leads_back_to_the_act(
    ada: User, long_signed_in: Client, entry: VaultEntry, address: str, verb: str
) -> None:
    with later(1):
        browser_of(ada)
    address = address.format(entry=entry.pk, session=SignIn.objects.latest("created_at").pk)

    with later(20):
        asked = getattr(long_signed_in, verb)(address, {"name": "x", "scope": "read", "days": "7"})
        page = long_signed_in.get(asked["Location"])
        led_back = long_signed_in.post(
            "/settings/confirm/", {"next": address, "password": PASSWORD}
        )
        done = long_signed_in.get(address)

    assert asked.status_code == 302
    assert asked["Location"].startswith("/settings/confirm/?next=")
    assert f'name="next" value="{address}"' in page.content.decode()
    assert led_back["Location"] == address
    assert done.status_code == 200
    assert not ApiToken.objects.exists()
    assert VaultEntry.objects.active().count() == 1
    assert SignIn.objects.count() == 2


def test_t14_adding_a_key_asks_too_and_leads_back_to_the_vault(
    ada: User, long_signed_in: Client
) -> None:
    with later(20):
        asked = long_signed_in.post("/vault/add/", {"provider": "lambda", "secret": "x"})

    assert asked["Location"] == "/settings/confirm/?next=%2Fvault%2F"
    assert not VaultEntry.objects.exists()


def test_t14_a_wrong_password_confirms_nothing_and_locks_after_five(long_signed_in: Client) -> None:
    with later(20):
        tries = [
            long_signed_in.post("/settings/confirm/", {"next": "/vault/", "password": "wrong"})
            for _ in range(5)
        ]
        act = long_signed_in.get("/settings/tokens/new/")

    assert [answer.status_code for answer in tries] == [200, 200, 200, 200, 429]
    assert "This is not your password." in tries[0].content.decode()
    assert act.status_code == 302


def test_t14_confirming_gives_the_session_a_new_name(long_signed_in: Client) -> None:
    name = django_settings.SESSION_COOKIE_NAME
    before = long_signed_in.cookies[name].value

    with later(20):
        long_signed_in.post("/settings/confirm/", {"next": "/vault/", "password": PASSWORD})

    after = long_signed_in.cookies[name].value
    assert after != before
    row = SignIn.objects.get()
    assert (row.session_id, row.created_at) == (after, NOON)


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example", ""],
)
def test_nobody_is_led_out_of_the_house(browser: Client, elsewhere: str) -> None:
    answer = browser.post("/settings/confirm/", {"next": elsewhere, "password": PASSWORD})

    assert answer["Location"] == "/settings/"
