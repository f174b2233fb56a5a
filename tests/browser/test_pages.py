"""The whole path of a person, and what the pages do in a real browser."""

import re
from pathlib import Path

import pytest
import responses
from django.contrib.auth.models import User
from playwright.sync_api import expect

from core.time import database_now
from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.pages.wizard.frame import STEPS
from tests import builders
from tests.browser.conftest import Tab
from tests.deployments.pages import scenes
from tests.deployments.pages.wizard.test_walk import ready

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    file = tmp_path / "sums.jsonl"
    file.write_bytes(builders.json_lines(builders.chat_rows()))
    return file


def test_a_person_signs_in_and_is_led_from_the_key_to_a_started_run(
    tab: Tab, user: User, sums: Path, cloud: responses.RequestsMock
) -> None:
    cloud.get("http://127.0.0.1:9/api/v1/instances", json={"data": []})
    page = tab.go("/")
    page.get_by_label("User name").fill("nina")
    page.get_by_label("Password").fill("swordfish-and-chips")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Never pay for a forgotten one")
    page.get_by_label("API key").fill(builders.SECRET)
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_text("The Lambda key works and is sealed.")).to_be_visible()

    page.get_by_role("link", name="Upload a file").click()
    page.get_by_label("Drop a file here").set_input_files(sums)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_text("No findings in")).to_be_visible()
    page.get_by_role("button", name="Next: method").click()
    page.get_by_role("button", name="Next: model").click()
    page.get_by_label("Its name on the Hub").fill("example/tiny-llama")
    page.get_by_label("Another model of the Hub").check()
    page.get_by_role("button", name="Next: training").click()
    page.get_by_role("button", name="Light").click()
    expect(page.get_by_label("LoRA rank")).to_have_value("8")
    page.get_by_role("button", name="Next: hardware and budget").click()
    page.get_by_label("A10").first.check()
    page.get_by_role("button", name="Next: review").click()
    # The budget is missing: the field says so, and nothing that was typed is lost.
    expect(page.get_by_text("Set a budget: it is the limit that is kept for you.")).to_be_visible()
    expect(page.get_by_label("A10").first).to_be_checked()
    page.get_by_label("This run may cost at most").fill("2.50")
    page.get_by_role("button", name="Next: review").click()
    expect(page.get_by_text("example/tiny-llama").first).to_be_visible()
    page.get_by_role("button", name="Start").first.click()

    expect(page.get_by_text("Queued").first).to_be_visible()
    assert Deployment.objects.get().budget_limit == 2.5
    assert tab.complaints == []


def test_the_same_path_works_without_scripts(
    without_scripts: Tab, user: User, cloud: responses.RequestsMock
) -> None:
    builders.make_vault_entry(user)
    page = without_scripts.sign_in(user).go("/")
    page.get_by_role("button", name="Take the sample").click()
    page.get_by_role("button", name="Next: method").click()
    page.get_by_role("button", name="Next: model").click()
    page.get_by_label("Qwen2.5 0.5B Instruct").check()
    page.get_by_role("button", name="Next: training").click()
    page.get_by_role("button", name="Next: hardware and budget").click()
    page.get_by_label("This run may cost at most").fill("2.50")
    page.get_by_role("button", name="Next: review").click()
    page.get_by_role("button", name="Start, ").first.click()
    expect(page.get_by_text("Queued").first).to_be_visible()
    page.get_by_role("link", name="Cancel run").first.click()
    page.get_by_role("button", name="Cancel the run").click()

    expect(page.get_by_text("Asked to stop:")).to_be_visible()
    assert Deployment.objects.get().desired == "stop"


def test_a_double_click_on_start_sends_the_form_once(
    tab: Tab, user: User, cloud: responses.RequestsMock
) -> None:
    builders.make_vault_entry(user)
    draft = ready(user, builders.make_dataset(user))
    page = tab.sign_in(user).go(f"/new/{draft.pk}/review/")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_role("button", name="Start").first.dblclick()

    expect(page.get_by_text("Queued").first).to_be_visible()
    assert sent.count("POST") == 1
    assert Deployment.objects.count() == 1


def test_going_back_refreshing_and_a_second_tab_lose_nothing(
    tab: Tab, user: User, cloud: responses.RequestsMock
) -> None:
    builders.make_vault_entry(user)
    draft = ready(user, builders.make_dataset(user))
    page = tab.sign_in(user).go(f"/new/{draft.pk}/training/")
    other = tab.context.new_page()
    other.goto(f"{tab.root}/new/{draft.pk}/model/")

    page.get_by_label("Epochs").fill("2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Where should it run?")).to_be_visible()
    other.get_by_label("Qwen3 8B").check()
    other.get_by_role("button", name="Next: training").click()
    expect(other.get_by_label("Epochs")).to_have_value("2")
    page.reload()
    expect(page.get_by_text("Qwen3 8B").first).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Epochs")).to_have_value("2")
    page.get_by_role("link", name="Model").click()
    expect(page.get_by_label("Qwen3 8B")).to_be_checked()


def test_a_live_run_refreshes_itself_and_stops_asking_once_it_is_over(tab: Tab, user: User) -> None:
    scenes.worker_beats()
    deployment = scenes.training(user)
    page = tab.sign_in(user).go(f"/jobs/{deployment.job_id}/")
    expect(page.get_by_text("step 177 of 285")).to_be_visible()

    machine = deployment.machines.get()
    scenes.change(deployment, Status.TERMINATING, at=database_now(), message="Ending.")
    scenes.gone(machine, at=database_now())
    scenes.finish(deployment, Status.COMPLETED, at=database_now())

    expect(page.get_by_text("Nothing of this run bills any more").first).to_be_visible()
    expect(page).to_have_title(
        re.compile(r"^Completed · \$0\.\d\d · Support answers v3 · Slipway$")
    )
    expect(page.locator("[hx-get^='/jobs']")).to_have_count(0)
    expect(page.locator("#announce-status")).to_have_text("Completed")
    assert tab.complaints == []


def test_a_refresh_keeps_the_focus_where_it_was(tab: Tab, user: User) -> None:
    deployment = scenes.training(user)
    page = tab.sign_in(user).go(f"/jobs/{deployment.job_id}/")
    page.locator("#stop-run").focus()
    Deployment.objects.update(name="Renamed meanwhile")

    expect(page.get_by_role("heading", level=1)).to_have_text("Renamed meanwhile")
    expect(page.locator("#stop-run")).to_be_focused()


def test_the_keyboard_reaches_the_content_first_and_the_safe_button_last_risks_nothing(
    tab: Tab, user: User
) -> None:
    deployment = scenes.training(user)
    page = tab.sign_in(user).go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()

    page = tab.go(f"/jobs/{deployment.job_id}/stop/")
    expect(page.get_by_role("link", name="Keep training")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("step 177 of 285")).to_be_visible()
    assert Deployment.objects.get().desired == "run"


def test_the_menu_opens_and_closes_by_keyboard_and_signs_out(tab: Tab, user: User) -> None:
    page = tab.sign_in(user).go("/vault/")
    menu = page.locator("summary")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(menu).to_be_focused()

    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_no_page_is_wider_than_a_phone_and_nothing_is_complained_about(
    phone: Tab, user: User, cloud: responses.RequestsMock
) -> None:
    scenes.worker_beats()
    data = scenes.dataset(user)
    runs = [
        scenes.training(user, name="A" + "very" * 20 + "long name", dataset=data),
        scenes.ended(user, dataset=data),
        scenes.failed(user, dataset=data),
        scenes.needs_owner(user, dataset=data),
        scenes.waiting(user, dataset=data),
    ]
    broken = builders.make_dataset(user, content=b"x" * 500, name="b" * 120)
    draft = ready(user, data)
    pages = [f"/jobs/{run.job_id}/" for run in runs]
    live = pages[0]
    pages += [
        "/",
        *[f"/new/{draft.pk}/{step.name}/" for step in STEPS],
        f"/new/{draft.pk}/data/?choose=1",
        "/vault/",
        "/datasets/",
        f"/datasets/{data.pk}/",
        f"/datasets/{broken.pk}/",
        f"{live}stop/",
        *[f"{live}{tab}/" for tab in ("charts", "logs", "events", "checkpoints", "files")],
        *[f"{live}{tab}/" for tab in ("config", "cost", "cancel")],
        f"/vault/{runs[0].vault_entry_id}/delete/",
        f"/vault/{runs[0].vault_entry_id}/replace/",
        "/settings/",
        "/settings/password/",
        "/settings/confirm/",
        "/settings/tokens/new/",
        "/settings/sessions/end/",
    ]
    phone.sign_in(user)

    too_wide = {}
    for address in pages:
        phone.go(address)
        if phone.overflow() > 0:
            too_wide[address] = phone.overflow()

    assert too_wide == {}
    assert phone.complaints == []


def test_on_a_phone_everything_in_the_menu_is_within_reach(phone: Tab, user: User) -> None:
    page = phone.sign_in(user).go("/")
    page.locator("summary").tap()
    page.get_by_role("link", name="Vault").tap()

    expect(page.get_by_role("heading", name="Vault")).to_be_visible()
