"""Hardware and review in a real browser: wide, between and narrow, with and without scripts."""

import re

import pytest
import responses
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from deployments.models import Deployment, Draft
from tests.browser.conftest import Tab
from tests.browser.test_every_page import findings
from tests.deployments.pages.wizard.market import market, ready_draft

__all__ = ["market"]

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def draft(user: User, market: responses.RequestsMock) -> Draft:
    return ready_draft(user)


@pytest.mark.parametrize("width", [1280, 900, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_is_accessible_and_complains_of_nothing(
    chromium: Browser, live_server: LiveServer, user: User, draft: Draft, width: int, scheme: str
) -> None:
    with chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of its two words
    ) as context:
        tab = Tab(context, live_server.url).sign_in(user)
        for step in ("hardware/", "review/", "files/train.py"):
            page = tab.go(f"/new/{draft.pk}/{step}")
            page.locator("details summary:visible").last.click()

            assert tab.overflow() == 0, step
            assert tab.complaints == []
            assert findings(tab) == [], step


def test_a_run_is_chosen_and_started_without_scripts(
    without_scripts: Tab, user: User, draft: Draft
) -> None:
    page = without_scripts.sign_in(user).go(f"/new/{draft.pk}/hardware/")

    page.get_by_role("radio", name=re.compile("H100 SXM ?, Lambda, Texas")).check()
    page.get_by_label("This run may cost at most").fill("6.00")
    page.get_by_label("This run may cost at most").press("Enter")
    expect(page).to_have_url(f"{without_scripts.root}/new/{draft.pk}/review/")
    page.get_by_label("Name").fill("From a plain form")
    page.locator("aside").get_by_role("button", name="Start, $").click()

    deployment = Deployment.objects.get()
    expect(page).to_have_url(f"{without_scripts.root}/jobs/{deployment.job_id}/")
    assert deployment.name == "From a plain form"
    assert deployment.config["instance_type"] == "gpu_1x_h100_sxm5"


def test_errors_stand_at_their_fields_and_are_read_out(tab: Tab, user: User, draft: Draft) -> None:
    page = tab.sign_in(user).go(f"/new/{draft.pk}/hardware/")

    page.get_by_label("This run may cost at most").fill("0.20")
    page.get_by_label("This run may cost at most").press("Enter")

    expect(page.get_by_text("Give at least 0.62 USD")).to_be_visible()
    expect(page.get_by_label("This run may cost at most")).to_have_attribute("aria-invalid", "true")
    assert findings(tab) == []


def test_a_chosen_row_is_marked_at_once(tab: Tab, user: User, draft: Draft) -> None:
    page = tab.sign_in(user).go(f"/new/{draft.pk}/hardware/")
    row = page.locator("tr.choice", has_text="gpu_1x_h100_sxm5")

    row.get_by_role("radio").focus()
    page.keyboard.press("Space")

    expect(row.get_by_role("radio")).to_be_checked()
