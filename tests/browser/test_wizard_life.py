"""A person's whole way through the wizard, on the real stack: sandbox, SSH, worker, training.

One stack serves all of it. The first way is short enough for ``make test``; it needs Chromium.
"""

import itertools
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from deployments.management.local_stack import LocalStack, running
from tests import builders
from tests.browser.conftest import Tab
from tests.trainer import sample_model, trainer_python

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
A_LIFE_MS = 180_000
NUMBERS = itertools.count(1)
STEPS = ("data", "method", "model", "training", "hardware", "review")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    made = LocalStack(
        tmp_path_factory.mktemp("wizard") / "slipway",
        models_dir=sample_model().parent,
        image_python=trainer_python(),
        # A refused launch is tried again by the same way that the pages tell.
        extra={"CAPACITY_RETRY_SECONDS": "1"},
    )
    with running(made):
        yield made


@pytest.fixture
def user(stack: LocalStack) -> str:
    """The name of somebody new, who has a password and nothing else."""
    name = f"person{next(NUMBERS)}"
    email = f"{name}@example.org"
    stack.manage(
        *("createsuperuser", "--noinput", "--username", name, "--email", email),
        extra={"DJANGO_SUPERUSER_PASSWORD": stack.password},
    )
    stack.token = stack.manage("create_token", name).strip()
    return name


@pytest.fixture
def person(chromium: Browser, stack: LocalStack) -> Iterator[Tab]:
    """A window in which nobody is signed in."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab = Tab(context, stack.url)
        tab.page.set_default_timeout(30_000)
        yield tab
        assert tab.complaints == []


def sign_in(tab: Tab, stack: LocalStack, user: str) -> Page:
    page = tab.go("/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("API key").fill(stack.sandbox_key)
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_text("The Lambda key works and is sealed.")).to_be_visible()
    return page


def next_step(page: Page, word: str) -> None:
    """Press Next, refresh, go back and forward again: what was chosen is still there."""
    page.get_by_role("button", name=f"Next: {word}").click()
    page.wait_for_url(re.compile(rf"/{word.split(maxsplit=1)[0]}/$"))
    page.reload()
    here = page.url
    before = STEPS[STEPS.index(here.rstrip("/").rsplit("/", 1)[1]) - 1]
    page.go_back()
    expect(page).to_have_url(re.compile(rf"/{before}/"))
    page.goto(here)
    expect(page.get_by_role("heading", level=1)).to_contain_text("New run")


def fill_wizard(page: Page, *, steps: int = 10) -> None:
    """Go from the data to the review: the sample, the server's own model, a short training."""
    page.get_by_role("button", name="Take the sample").first.click()
    seen = page.get_by_label("I have seen the warnings")
    if seen.count():
        seen.check()
    next_step(page, "method")
    next_step(page, "model")
    page.get_by_label("slipway-sample").check()
    next_step(page, "training")
    page.get_by_role("button", name="Light").click()
    page.get_by_label("Learning rate").fill("5e-3")
    page.get_by_label("Max length, in tokens").fill("256")
    page.get_by_text("more settings").click()
    page.get_by_label("Stop after steps").fill(str(steps))
    next_step(page, "hardware and budget")
    next_step(page, "review")


def start(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"Start, \$")).first.click()
    page.wait_for_url(re.compile(r"/jobs/"))


def deployment_of(page: Page, stack: LocalStack) -> dict[str, Any]:
    """Return the deployment that the run page shows, as the REST interface tells it."""
    (job,) = re.findall(r"/jobs/([0-9a-f-]{36})/", page.url)
    for each in stack.api("GET", "training/deploy", params={"limit": 100})["data"]:
        if each["job_id"] == job:
            found: dict[str, Any] = each
            return found
    raise AssertionError(f"no deployment of {job}")


def until_training(page: Page, stack: LocalStack) -> None:
    """Wait on the run's page until the run trains."""
    for _ in range(A_LIFE_MS // 500):
        if deployment_of(page, stack)["status"] == "training":
            return
        page.wait_for_timeout(500)
    raise AssertionError(deployment_of(page, stack))


def live_machines(stack: LocalStack) -> list[dict[str, Any]]:
    machines = stack.control("GET", "machines")["machines"]
    return [machine for machine in machines if machine["status"] != "terminated"]


def test_a_new_user_goes_from_the_first_sign_in_to_the_adapter_through_the_wizard(
    person: Tab, stack: LocalStack, user: str, tmp_path: Path
) -> None:
    page = sign_in(person, stack, user)
    page.get_by_role("button", name="Take the sample").click()
    page.wait_for_url(re.compile("/data/"))
    fill_wizard(page)
    expect(page.get_by_role("main")).to_contain_text("slipway-sample")
    start(page)

    expect(page.get_by_text("Completed").first).to_be_visible(timeout=A_LIFE_MS)
    expect(page.get_by_text("The adapter is home and the machine is gone")).to_be_visible()
    with page.expect_download() as waited:
        page.get_by_role("link", name=re.compile("Download adapter")).first.click()
    archive = tmp_path / "adapter.tar.gz"
    waited.value.save_as(archive)
    with tarfile.open(archive) as packed:
        names = {Path(name).name for name in packed.getnames()}
    assert {"adapter_model.safetensors", "adapter_config.json"} <= names
    assert live_machines(stack) == []
    page.goto(f"{stack.url}/")
    expect(page.get_by_text("Nothing bills")).to_be_visible()


@pytest.mark.full
def test_the_same_way_works_without_scripts(
    chromium: Browser, stack: LocalStack, user: str
) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = sign_in(Tab(context, stack.url), stack, user)
        page.goto(f"{stack.url}/new/")
        fill_wizard(page)
        start(page)
        for _ in range(120):
            if page.get_by_text("Completed").count():
                break
            page.wait_for_timeout(1500)
            page.reload()
        expect(page.get_by_text("The adapter is home and the machine is gone")).to_be_visible()
    assert live_machines(stack) == []


@pytest.mark.full
def test_F1_two_tabs_lose_nothing_and_start_one_run(
    person: Tab, stack: LocalStack, user: str
) -> None:
    page = sign_in(person, stack, user)
    page.goto(f"{stack.url}/new/")
    fill_wizard(page)
    review = page.url
    other = person.context.new_page()
    other.goto(review.replace("/review/", "/training/"))
    page.goto(review.replace("/review/", "/data/"))
    page.get_by_label("Nothing").check()
    other.get_by_label("Max length, in tokens").fill("128")
    seen = page.get_by_label("I have seen the warnings")
    if seen.count():
        seen.check()
    page.get_by_role("button", name="Next: method").click()
    other.get_by_role("button", name="Next: hardware").click()

    page.goto(review)
    expect(page.get_by_role("main")).to_contain_text("128")
    expect(page.get_by_role("main")).to_contain_text("300")
    other.goto(review)
    before = len(stack.api("GET", "training/deploy", params={"limit": 100})["data"])
    start(page)
    other.get_by_role("button", name=re.compile(r"Start, \$")).first.click()
    other.wait_for_url(re.compile(r"/jobs/|/new/|/runs/"))
    after = stack.api("GET", "training/deploy", params={"limit": 100})["data"]
    assert len(after) == before + 1
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=A_LIFE_MS)


@pytest.mark.full
def test_F24_a_run_is_cancelled_from_its_page_and_says_what_is_lost(
    person: Tab, stack: LocalStack, user: str
) -> None:
    page = sign_in(person, stack, user)
    page.goto(f"{stack.url}/new/")
    fill_wizard(page, steps=5000)
    start(page)
    until_training(page, stack)

    page.get_by_role("link", name="Cancel run").click()
    expect(page.get_by_text("Lost:")).to_be_visible()
    expect(page.get_by_text("Kept:")).to_be_visible()
    page.get_by_role("button", name=re.compile("Cancel")).click()

    expect(page.get_by_text("Cancelled").first).to_be_visible(timeout=A_LIFE_MS)
    assert deployment_of(page, stack)["status"] == "cancelled"
    assert live_machines(stack) == []


@pytest.mark.full
def test_F7_data_with_errors_holds_the_wizard_and_says_where(
    person: Tab, stack: LocalStack, user: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    good = builders.json_lines(builders.chat_rows())
    bad.write_bytes(good + b'{"messages": [{"role": "user"\n')
    page = sign_in(person, stack, user)
    page.goto(f"{stack.url}/new/")
    page.get_by_label("Drop a file here").set_input_files(bad)
    page.get_by_role("button", name="Upload and check").click()

    expect(page.get_by_text("invalid_json").first).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(f"{len(builders.chat_rows()) + 1}")
    expect(page.get_by_role("button", name="Next: method")).to_have_count(0)

    bad.write_bytes(good)
    page.get_by_role("link", name="Choose another").click()
    page.get_by_label("Drop a file here").set_input_files(bad)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_text("No findings in")).to_be_visible()
    page.get_by_role("button", name="Next: method").click()
    page.wait_for_url(re.compile("/method/"))


@pytest.mark.full
def test_F6_a_budget_too_small_names_one_that_passes(
    person: Tab, stack: LocalStack, user: str
) -> None:
    page = sign_in(person, stack, user)
    page.goto(f"{stack.url}/new/")
    fill_wizard(page)
    page.goto(page.url.replace("/review/", "/hardware/"))
    page.get_by_label("This run may cost at most").fill("0.02")
    page.get_by_role("button", name="Next: review").click()

    expect(page).to_have_url(re.compile("/hardware/"))
    told = page.get_by_text(re.compile("too small")).first.inner_text()
    (least,) = re.findall(r"at least \$?(\d+\.\d\d)", told)
    page.get_by_label("This run may cost at most").fill(least)
    page.get_by_role("button", name="Next: review").click()
    page.wait_for_url(re.compile("/review/"))


@pytest.mark.full
def test_F13_capacity_that_is_refused_is_waited_for_and_then_trains(
    person: Tab, stack: LocalStack, user: str
) -> None:
    page = sign_in(person, stack, user)
    page.goto(f"{stack.url}/new/")
    fill_wizard(page)
    stack.control("POST", "faults", json={"on": "launch", "kind": "capacity", "times": None})
    try:
        start(page)
        expect(page.get_by_text("Waiting for capacity").first).to_be_visible(timeout=A_LIFE_MS)
        assert live_machines(stack) == []
    finally:
        stack.control("DELETE", "faults")

    expect(page.get_by_text("Completed").first).to_be_visible(timeout=A_LIFE_MS)
    assert live_machines(stack) == []
