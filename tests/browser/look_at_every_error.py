"""Pictures of every page that shows a code, to be looked at; not collected with the tests.

    python -m pytest -n 0 -m browser tests/browser/look_at_every_error.py

Each page is provoked as the tests do it, and drawn wide and light, and on a phone in the dark. The
pictures lie in a folder of the system's temporary files; none may be wider than its window.
"""

import mimetypes
import tempfile
from pathlib import Path
from typing import Literal

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from playwright.sync_api import Browser, Page, Route, ViewportSize
from pytest_django.fixtures import Settings

from tests import builders
from tests.deployments.conftest import world
from tests.deployments.pages.every_error.stage import Row, Stage
from tests.deployments.pages.every_error.test_every_error import ON_PAGES, stage
from tests.deployments.pages.wizard.market import market

pytestmark = pytest.mark.browser
__all__ = ["market", "stage", "world"]

FOLDER = Path(tempfile.gettempdir()) / "slipway-every-error"
ROOT = "http://slipway.invalid"
LOOKS: tuple[tuple[str, ViewportSize, Literal["light", "dark"]], ...] = (
    ("wide", {"width": 1280, "height": 800}, "light"),
    ("phone", {"width": 390, "height": 844}, "dark"),
)


@pytest.fixture
def user(db: None) -> User:
    return builders.make_user("nina")


@pytest.mark.parametrize("row", ON_PAGES, ids=str)
def test_every_error_is_drawn(
    db: None, chromium: Browser, settings: Settings, stage: Stage, row: Row
) -> None:
    html = row.provoke(stage).html
    FOLDER.mkdir(exist_ok=True)

    for name, window, scheme in LOOKS:
        with chromium.new_context(
            viewport=window, color_scheme=scheme, java_script_enabled=False
        ) as context:
            page = context.new_page()
            page.route("**/*", lambda route: _answer(route, html))
            page.goto(ROOT, wait_until="load")
            page.screenshot(path=FOLDER / f"{_file_name(row)}-{name}.png", full_page=True)
            wide = _width(page)

        assert wide <= window["width"], name


def _answer(route: Route, html: str) -> None:
    """Answer the page itself and our own files; there is no server."""
    name = route.request.url.removeprefix(f"{ROOT}/")
    if not name:
        route.fulfill(body=html, content_type="text/html; charset=utf-8")
        return
    found = finders.find(name.removeprefix("static/"))
    if not isinstance(found, str):
        route.abort()
        return
    kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
    route.fulfill(path=found, content_type=kind)


def _width(page: Page) -> int:
    """Return how wide the page is; without scripts of its own, the debugger may still ask."""
    wide: int = page.evaluate("document.documentElement.scrollWidth")
    return wide


def _file_name(row: Row) -> str:
    return f"{row.code}-{row.place}".replace(", ", "-").replace(" ", "-")
