"""Charts in a real browser: values under the pointer, zoom, cursors that follow, no complaint."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from playwright.sync_api import Locator, Page, expect

from deployments.models import Deployment, Machine, RunState
from tests.browser.conftest import Tab
from tests.deployments.pages import scenes, telling

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def live(user: User) -> Deployment:
    scenes.worker_beats()
    return scenes.training(user)


def charts_of(tab: Tab, user: User, run: Deployment, path: str = "charts/") -> Page:
    """Open a page of the run and wait until scripts have taken over its charts."""
    page = tab.sign_in(user).go(f"/jobs/{run.job_id}/{path}")
    expect(page.locator(".chart:visible .uplot").first).to_be_visible()
    return page


def plot(page: Page, name: str = "loss") -> Locator:
    return page.locator(f"#chart-{name} .u-over")


def point_at(page: Page, share: float, name: str = "loss") -> None:
    """Hold the pointer over a chart, at a share of its width."""
    place = plot(page, name)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def drag(page: Page, start: float, end: float, name: str = "loss") -> None:
    point_at(page, start, name)
    page.mouse.down()
    point_at(page, (start + end) / 2, name)
    point_at(page, end, name)
    page.mouse.up()


def news(machine: Machine, *, steps: int) -> None:
    """Let a machine have told a loss of 2 at so many steps, at once as its run log is taken."""
    with transaction.atomic():
        RunState.objects.filter(machine=machine).update(step=steps, accepted_through=5000)
        telling.told(machine, {"train/loss": [2.0] * steps})


def step_told(page: Page, name: str = "loss") -> int:
    """Return the step that the box beside the pointer names."""
    box = page.locator(f"#chart-{name} .chart-told")
    expect(box).to_be_visible()
    found = re.match(r"step ([\d,]+)", box.inner_text())
    assert found is not None
    return int(found[1].replace(",", ""))


def test_scripts_take_over_every_drawing_and_nothing_is_complained_about(
    tab: Tab, user: User, live: Deployment
) -> None:
    page = charts_of(tab, user, live)

    expect(page.locator(".chart .uplot")).to_have_count(7)
    expect(page.locator(".chart > svg")).to_have_count(0)
    assert tab.complaints == []


def test_the_pointer_is_told_the_values_of_each_line_and_the_other_charts_follow(
    tab: Tab, user: User, live: Deployment
) -> None:
    page = charts_of(tab, user, live)
    speed = page.locator("#tokens-per-second-title + .newest")
    newest = speed.inner_text()

    point_at(page, 48 / 285)

    told = page.locator("#chart-loss .chart-told")
    expect(told).to_contain_text(re.compile(r"step 4[789]"))
    expect(told).to_contain_text(re.compile(r"train/loss.*raw.*eval/loss", re.DOTALL))
    # The newest value of the followers gives way to the one at the cursor.
    expect(speed).not_to_have_text(newest)
    page.mouse.move(2, 2)
    expect(told).to_be_hidden()
    expect(speed).to_have_text(newest)
    assert tab.complaints == []


def test_dragging_zooms_all_charts_and_a_double_click_shows_all_again(
    tab: Tab, user: User, live: Deployment
) -> None:
    page = charts_of(tab, user, live)

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    drag(page, 0.2, 0.4)

    expect(page.get_by_role("button", name="See all")).to_have_count(7)
    point_at(page, 0.01)
    assert 55 <= step_told(page) <= 60
    # One question for all charts, for the steps in between.
    assert len([url for url in asked if "from_step" in url]) == 1
    point_at(page, 0.99, "learning-rate")
    assert 110 <= step_told(page, "learning-rate") <= 116
    plot(page).dblclick()
    expect(page.get_by_role("button", name="See all")).to_have_count(0)
    point_at(page, 0.01)
    assert step_told(page) <= 4
    assert tab.complaints == []


def test_by_keyboard_all_of_a_chart_is_seen_again(tab: Tab, user: User, live: Deployment) -> None:
    page = charts_of(tab, user, live)
    drag(page, 0.2, 0.4)
    button = page.get_by_role("button", name="See all").first

    button.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="See all")).to_have_count(0)


def test_news_arrive_and_the_zoom_stays(tab: Tab, user: User, live: Deployment) -> None:
    page = charts_of(tab, user, live)
    drag(page, 0.5, 0.9)
    expect(page.get_by_role("button", name="See all").first).to_be_visible()
    machine = live.machines.get()

    news(machine, steps=200)

    # The block is replaced by its newer self, and the chart moves into it.
    expect(page.locator(".legend")).to_contain_text("2.000")
    expect(page.locator(".chart .uplot")).to_have_count(7)
    expect(page.get_by_role("button", name="See all").first).to_be_visible()
    point_at(page, 0.3)
    expect(page.locator("#chart-loss .chart-told")).to_contain_text("2")
    assert 165 <= step_told(page) <= 185
    assert tab.complaints == []


def test_the_overview_has_its_charts_too_and_keeps_them_through_a_refresh(
    tab: Tab, user: User, live: Deployment
) -> None:
    page = charts_of(tab, user, live, "")
    expect(page.locator(".chart .uplot")).to_have_count(5)

    news(live.machines.get(), steps=178)

    expect(page.locator(".legend")).to_contain_text("2.000")
    expect(page.locator(".chart .uplot")).to_have_count(5)
    expect(page.locator(".chart > svg")).to_have_count(0)
    assert tab.complaints == []


def test_another_axis_is_another_page_with_the_same_charts(
    tab: Tab, user: User, live: Deployment
) -> None:
    page = charts_of(tab, user, live)

    page.get_by_role("link", name="Time").click()
    page.get_by_role("link", name="Logarithmic").click()

    expect(page).to_have_url(re.compile(r"\?x=time&y=log$"))
    expect(page.locator(".chart .uplot")).to_have_count(7)
    point_at(page, 0.6)
    expect(page.locator("#chart-loss .chart-told")).to_contain_text("min")
    assert tab.complaints == []


def test_the_dark_has_colours_of_its_own_at_once(tab: Tab, user: User, live: Deployment) -> None:
    page = charts_of(tab, user, live)
    expect(page.locator(".chart .uplot")).to_have_count(7)
    canvas = "document.querySelector('#chart-loss canvas').toDataURL()"
    light = page.evaluate(canvas)

    page.emulate_media(color_scheme="dark")

    page.wait_for_function(f"before => {canvas} !== before", arg=light)
    assert tab.complaints == []


def test_on_a_phone_the_charts_are_as_wide_as_the_phone(
    phone: Tab, user: User, live: Deployment
) -> None:
    page = charts_of(phone, user, live)

    expect(page.locator(".chart .uplot")).to_have_count(7)
    assert phone.overflow() <= 0
    assert phone.complaints == []


def test_without_scripts_the_drawings_stay_and_the_axes_are_links(
    without_scripts: Tab, user: User, live: Deployment
) -> None:
    page = without_scripts.sign_in(user).go(f"/jobs/{live.job_id}/charts/")
    expect(page.locator("#chart-cost > svg").first).to_be_visible()

    page.get_by_role("link", name="Epoch").click()

    expect(page.get_by_role("link", name="Epoch")).to_have_attribute("aria-current", "true")
    expect(page.locator("#chart-loss > svg").first).to_contain_text("3.0")
    page.get_by_role("link", name="Table of Loss").click()
    expect(page.get_by_role("heading", name="Loss, step by step")).to_be_visible()
