"""Chromium over a live server, under the strict content policy of T13."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests import builders
from tests.deployments.api.conftest import BASE_URL, CATALOGUE

CHROMIUM = "/usr/bin/chromium"
# libraries.md section 7: without these it asks the network for things of its own.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # Playwright runs a loop of its own; Django would take that for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        # A machine that runs other tests may take its time.
        expect.set_options(timeout=30_000)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def user(transactional_db: None) -> User:
    return builders.make_user("nina", password="swordfish-and-chips")


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def cloud(settings: Settings) -> Iterator[responses.RequestsMock]:
    """Answer the cloud's catalogue; the browser's own requests do not pass here."""
    settings.LAMBDA_API_BASE_URL = BASE_URL
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE_URL}/instance-types", json=CATALOGUE)
        yield mock


class Tab:
    """A page with everything the browser complained about."""

    def __init__(self, context: BrowserContext, root: str) -> None:
        self.context = context
        self.root = root
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.set_default_timeout(10_000)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def sign_in(self, user: User) -> "Tab":
        """Take over a session, without the form."""
        client = Client()
        client.force_login(user)
        value = client.cookies["sessionid"].value
        self.context.add_cookies([{"name": "sessionid", "value": value, "url": self.root}])
        return self

    def go(self, address: str) -> Page:
        """Open an address and wait until its scripts have run; T13 must hold on every page."""
        answer = self.page.goto(f"{self.root}{address}", wait_until="load")
        assert answer is not None
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        return self.page

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        wide: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide


@pytest.fixture
def tab(chromium: Browser, live_server: LiveServer) -> Iterator[Tab]:
    """A window as wide as a desk's."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield Tab(context, live_server.url)


@pytest.fixture
def phone(chromium: Browser, live_server: LiveServer) -> Iterator[Tab]:
    """A window as wide as a phone's."""
    with chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True) as context:
        yield Tab(context, live_server.url)


@pytest.fixture
def without_scripts(chromium: Browser, live_server: LiveServer) -> Iterator[Tab]:
    """A browser that runs no scripts at all."""
    with chromium.new_context(java_script_enabled=False) as context:
        yield Tab(context, live_server.url)
