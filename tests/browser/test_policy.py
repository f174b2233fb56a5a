"""The content policy of T13 holds on what we did not write: Swagger's page and Django's admin."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests import builders
from tests.browser.conftest import Tab

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_t13_swagger_shows_the_whole_document_without_a_word_from_the_browser(
    tab: Tab, user: User
) -> None:
    page = tab.sign_in(user).go("/api/docs/")

    page.locator("#operations-tokens-tokens_create").click()
    expect(page.get_by_text("Idempotency-Key").first).to_be_visible()
    assert tab.complaints == []


def test_t13_the_admin_works_without_a_word_from_the_browser(tab: Tab, user: User) -> None:
    user.is_staff = user.is_superuser = True
    user.save()
    builders.make_machine(builders.make_deployment(user))
    tab.sign_in(user)

    for address in ("/admin/", "/admin/deployments/deployment/", "/admin/auth/user/add/"):
        expect(tab.go(address).get_by_role("heading", level=1).last).to_be_visible()

    assert tab.complaints == []
