"""What the page of a run does in a real browser: a log that follows, buttons, tabs on a phone."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from deployments.models import Deployment
from tests import builders
from tests.browser.conftest import Tab
from tests.deployments.pages import scenes

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SCROLLED_TO = "document.querySelector('#log-well').scrollTop"
FROM_THE_END = """(() => {
  const well = document.querySelector('#log-well');
  return well.scrollHeight - well.scrollTop - well.clientHeight;
})()"""


@pytest.fixture
def deployment(user: User) -> Deployment:
    """Make a run whose log is longer than its well."""
    made = scenes.training(user)
    machine = made.machines.get()
    for number in range(80):
        builders.make_log_line(machine, text=f"line {number}.")
    return made


def told(deployment: Deployment, *texts: str) -> None:
    for text in texts:
        builders.make_log_line(deployment.machines.get(), text=text)


def log_of(tab: Tab, user: User, deployment: Deployment) -> Page:
    page = tab.sign_in(user).go(f"/jobs/{deployment.job_id}/logs/")
    expect(page.get_by_text("line 79.")).to_be_visible()
    return page


def test_the_log_follows_its_newest_line(tab: Tab, user: User, deployment: Deployment) -> None:
    page = log_of(tab, user, deployment)
    assert page.evaluate(FROM_THE_END) < 2

    told(deployment, "it is newer.")

    expect(page.get_by_text("it is newer.")).to_be_attached()
    page.wait_for_function(f"() => {FROM_THE_END} < 2")
    expect(page.locator("#log-new")).to_be_hidden()
    assert tab.complaints == []


def test_whoever_reads_further_up_stays_there_and_is_told_what_has_come(
    tab: Tab, user: User, deployment: Deployment
) -> None:
    page = log_of(tab, user, deployment)
    page.evaluate("document.querySelector('#log-well').scrollTop = 40")

    told(deployment, "one more.", "and another.")

    button = page.locator("#log-new")
    expect(button).to_have_text("2 new lines")
    assert page.evaluate(SCROLLED_TO) == 40
    told(deployment, "a third.")
    expect(button).to_have_text("3 new lines")

    button.click()
    expect(button).to_be_hidden()
    expect(page.get_by_text("a third.")).to_be_in_viewport()
    told(deployment, "followed again.")
    expect(page.get_by_text("followed again.")).to_be_in_viewport()
    assert tab.complaints == []


def test_without_scripts_newer_lines_are_a_link_away(
    without_scripts: Tab, user: User, deployment: Deployment
) -> None:
    page = log_of(without_scripts, user, deployment)
    told(deployment, "it is newer.")

    page.get_by_role("link", name="Show newer lines").click()

    expect(page.get_by_text("it is newer.")).to_be_visible()


def test_saving_is_one_press_and_the_run_goes_on(
    tab: Tab, user: User, deployment: Deployment
) -> None:
    page = tab.sign_in(user).go(f"/jobs/{deployment.job_id}/")

    page.get_by_role("button", name="Save now").click()

    expect(page.get_by_text("writes a checkpoint at its next step")).to_be_visible()
    deployment.refresh_from_db()
    assert deployment.save_asked_at is not None
    assert tab.complaints == []


def test_on_a_phone_what_is_rarely_wanted_is_behind_more(
    phone: Tab, user: User, deployment: Deployment
) -> None:
    page = phone.sign_in(user).go(f"/jobs/{deployment.job_id}/")
    cancel = page.get_by_role("link", name="Cancel run")
    expect(cancel).to_be_hidden()

    page.locator("#more").tap()
    cancel.tap()

    expect(page).to_have_url(re.compile(r"/cancel/$"))
    expect(page.get_by_role("link", name="Keep training")).to_be_focused()


def test_a_tab_keeps_its_focus_while_the_counts_beside_it_change(
    tab: Tab, user: User, deployment: Deployment
) -> None:
    page = tab.sign_in(user).go(f"/jobs/{deployment.job_id}/")
    page.locator("#tab-logs").focus()
    told(deployment, "one more.")

    expect(page.locator("#tab-logs")).to_contain_text("91", timeout=30_000)
    expect(page.locator("#tab-logs")).to_be_focused()


def test_on_a_phone_the_current_tab_is_in_view_and_a_refresh_does_not_push_it_out(
    phone: Tab, user: User, deployment: Deployment
) -> None:
    page = phone.sign_in(user).go(f"/jobs/{deployment.job_id}/cost/")
    current = page.locator("#tab-cost")
    in_view = (
        "e => e.getBoundingClientRect().right < innerWidth + 1 && e.getBoundingClientRect().x >= 0"
    )
    assert current.evaluate(in_view)

    told(deployment, "one more.")

    expect(page.locator("#tab-logs")).to_contain_text("91", timeout=30_000)
    assert current.evaluate(in_view)
    assert phone.complaints == []
