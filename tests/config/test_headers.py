"""What every answer carries (T13)."""

import re

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.builders import make_user

pytestmark = pytest.mark.django_db
POLICY = (
    "default-src 'self'; script-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
PATHS = ["/", "/vault/", "/api/datasets", "/api/docs/", "/no-such-page", "/login/", "/healthz"]


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(make_user())
    return client


@pytest.mark.parametrize("path", PATHS)
def test_t13_every_answer_carries_the_policy_and_is_not_kept(browser: Client, path: str) -> None:
    headers = browser.get(path).headers

    assert directives(headers["Content-Security-Policy"]) == directives(POLICY)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "no-store" in headers["Cache-Control"] or path == "/login/"
    assert re.fullmatch(r"[0-9a-f]{32}", headers["X-Request-ID"])


def test_static_files_may_be_kept(browser: Client) -> None:
    answer = browser.get("/static/app.css")

    assert answer.status_code == 200
    assert "no-store" not in answer.headers.get("Cache-Control", "")
    answer.close()


def test_a_request_keeps_the_id_it_came_with_if_it_looks_like_one(browser: Client) -> None:
    taken = browser.get("/healthz", headers={"X-Request-ID": "proxy-0123456789"})
    replaced = browser.get("/healthz", headers={"X-Request-ID": 'x" onload="'})

    assert taken.headers["X-Request-ID"] == "proxy-0123456789"
    assert re.fullmatch(r"[0-9a-f]{32}", replaced.headers["X-Request-ID"])


def test_the_swagger_page_has_no_script_of_its_own_and_nothing_from_elsewhere(
    browser: Client,
) -> None:
    page = browser.get("/api/docs/").content.decode()

    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert "<style" not in page
    assert "style=" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_t1_behind_our_proxy_the_address_is_the_one_it_saw(settings: Settings) -> None:
    settings.BEHIND_PROXY = True
    settings.TOKEN_ROUTE_CALLS_PER_MINUTE = 1
    client = Client(REMOTE_ADDR="127.0.0.1")

    def ask(forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return client.get("/api/datasets/download?token=x", headers=headers).status_code

    # What a client puts in front is not believed.
    spoofed = [ask(f"198.51.100.{number}, 203.0.113.1") for number in range(3)]

    assert 429 in spoofed
    assert ask("203.0.113.2") == 403


def directives(policy: str) -> set[str]:
    return {part.strip() for part in policy.split(";")}
