"""The settings page in a real browser that runs no scripts: asked again, made, ended (T14)."""

import re

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from playwright.sync_api import expect

from core import tokens
from core.confirmation import CONFIRMED_AT
from core.models import SignIn
from tests.browser.conftest import Tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def long_ago(user: User) -> None:
    """Let every sign-in of the user have given its password too long ago."""
    for sign_in in SignIn.objects.filter(user=user):
        session = SessionStore(session_key=sign_in.session_id)
        session[CONFIRMED_AT] = 0
        session.save()


def test_a_token_is_made_after_the_password_was_given_again(
    without_scripts: Tab, user: User
) -> None:
    page = without_scripts.sign_in(user).go("/settings/")
    long_ago(user)
    page.get_by_role("link", name="Make a token").click()
    expect(page.get_by_role("heading", name="Your password, please")).to_be_visible()
    page.get_by_label("Password").fill("swordfish-and-chips")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("What is it for").fill("nightly")
    page.get_by_role("button", name="Make the token").click()

    shown = page.get_by_text(re.compile("^slw_")).inner_text()
    token = tokens.authenticate(shown)
    assert token is not None
    assert token.user == user
    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_role("rowheader", name="nightly")).to_be_visible()


def test_all_other_sessions_are_ended_by_two_presses(without_scripts: Tab, user: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(user)
    page = without_scripts.sign_in(user).go("/settings/")
    page.get_by_role("link", name="End all others").click()
    expect(page.get_by_role("heading", name="End all other sessions?")).to_be_visible()
    page.get_by_role("button", name="End all others").click()

    expect(page.get_by_text("only this one is left")).to_be_visible()
    assert elsewhere.get("/settings/").status_code == 302
