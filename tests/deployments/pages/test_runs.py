"""The list of runs, and what leads somebody who has none."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken


def page_of(reader: Client, address: str = "/") -> str:
    response = reader.get(address)
    assert response.status_code == 200
    return spoken(response.content.decode())


def test_whoever_is_not_signed_in_is_led_to_the_sign_in(db: None) -> None:
    response = Client().get("/")

    assert response.status_code == 302
    assert response["Location"] == "/login/?next=/"


def test_the_first_visit_leads_to_a_key(reader: Client) -> None:
    page = page_of(reader)

    assert "Connect a cloud" in page
    assert 'name="secret"' in page
    assert "Set up the first run" not in page


def test_after_the_key_the_first_visit_leads_to_data(user: User, reader: Client) -> None:
    builders.make_vault_entry(user)

    page = page_of(reader)

    assert 'name="secret"' not in page
    assert "Done: your key ending in 8pLd is sealed." in page
    assert "Take the sample, 300 rows" in page


def test_after_key_and_data_the_first_visit_leads_to_a_run(user: User, reader: Client) -> None:
    builders.make_vault_entry(user)
    builders.make_dataset(user)

    page = page_of(reader)

    assert "Done: sums, 12 rows." in page
    assert "Set up the first run" in page


def test_data_with_errors_does_not_count_as_data(user: User, reader: Client) -> None:
    builders.make_vault_entry(user)
    builders.make_dataset(user, content=b"not json\n")

    assert "Set up the first run" not in page_of(reader)


def test_runs_are_listed_newest_first_with_status_cost_and_losses(
    user: User, reader: Client
) -> None:
    data = scenes.dataset(user)
    scenes.ended(user, name="The old one", dataset=data)
    scenes.training(user, name="The new one", dataset=data)

    page = page_of(reader)

    assert page.index("The new one") < page.index("The old one")
    assert "62 %, about" in page
    assert "$1.06" in page
    assert "Completed" in page
    assert page.count('class="spark"') == 2


def test_a_run_that_needs_its_owner_says_so_in_the_list(user: User, reader: Client) -> None:
    scenes.needs_owner(user)

    assert "Needs you" in page_of(reader)


def test_what_a_run_without_a_machine_has_spent_is_zero_and_its_machine_none_yet(
    user: User, reader: Client
) -> None:
    scenes.waiting(user)

    page = page_of(reader)

    assert "none yet" in page
    assert "sold out, asking until" in page
    assert "no data yet" in page


def test_t2_nobody_elses_runs_are_listed(user: User, reader: Client) -> None:
    scenes.ended(builders.make_user(), name="Not yours")
    scenes.ended(user, name="Yours")

    page = page_of(reader)

    assert "Not yours" not in page
    assert "Yours" in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=invoice", {"Invoice fields"}),
        ("q=mistral", {"Code review tone"}),
        ("q=SUPPORT+ANSWERS", {"Invoice fields", "Code review tone", "Ticket router"}),
        ("status=alive", {"Code review tone", "Ticket router"}),
        ("status=failed", {"Invoice fields"}),
        ("status=needs_you", {"Ticket router"}),
        ("model=mistralai%2FMistral-7B", {"Code review tone"}),
        ("cloud=lambda", {"Invoice fields", "Code review tone", "Ticket router"}),
        ("q=r&status=alive&model=mistralai%2FMistral-7B", {"Code review tone"}),
        ("status=nonsense", {"Invoice fields", "Code review tone", "Ticket router"}),
        ("q=nothing+like+it", set()),
    ],
)
def test_the_list_is_filtered_by_words_and_status(
    user: User, reader: Client, query: str, names: set[str]
) -> None:
    data = scenes.dataset(user)
    scenes.failed(user, name="Invoice fields", model="Qwen/Qwen3-4B", dataset=data)
    scenes.waiting(user, name="Code review tone", model="mistralai/Mistral-7B", dataset=data)
    scenes.needs_owner(user, name="Ticket router", dataset=data)

    page = page_of(reader, f"/?{query}")

    every = ("Invoice fields", "Code review tone", "Ticket router")
    assert {name for name in every if name in page} == names


def test_a_run_that_went_to_another_cloud_is_found_at_both(user: User, reader: Client) -> None:
    moved = scenes.ended(user, name="Moved on")
    scenes.waiting(user, name="Stayed")
    builders.make_machine(moved, platform="runpod")

    assert "Moved on" in page_of(reader, "/?cloud=lambda")
    there = page_of(reader, "/?cloud=runpod")
    assert "Moved on" in there
    assert "Stayed" not in there


def links(page: str) -> dict[str, str]:
    """Return where the links below the table lead, by their id."""
    return dict(re.findall(r'<a id="(newer|older)"\s+href="([^"]+)"', page.replace("&amp;", "&")))


def test_older_runs_are_on_the_next_page_and_keep_the_filter(user: User, reader: Client) -> None:
    data = scenes.dataset(user)
    for number in range(45):
        scenes.run(user, name=f"Run {number}.", dataset=data)

    first = page_of(reader, "/?status=alive")
    second = page_of(reader, links(first)["older"])
    third = page_of(reader, links(second)["older"])
    back = page_of(reader, links(third)["newer"])
    top = page_of(reader, links(back)["newer"])

    assert "1 to 20 of 45" in first
    assert links(first)["older"].startswith("/?status=alive&after=")
    assert "21 to 40 of 45" in second
    assert "41 to 45 of 45" in third
    assert set(links(third)) == {"newer"}
    assert "Run 0." in third
    assert "21 to 40 of 45" in back
    assert "1 to 20 of 45" in top
    assert set(links(top)) == {"older"}


def test_a_page_of_older_runs_stays_the_same_while_new_ones_start(
    user: User, reader: Client
) -> None:
    data = scenes.dataset(user)
    for number in range(21):
        scenes.run(user, name=f"Run {number}.", dataset=data)
    older = links(page_of(reader))["older"]

    scenes.run(user, name="Started meanwhile", dataset=data)
    page = page_of(reader, older)

    assert "22 to 22 of 22" in page
    assert "Run 0." in page


@pytest.mark.parametrize("place", ["after=x", "before=x", "after=9", "before=%00"])
def test_a_place_that_is_none_leads_to_the_newest_runs(
    user: User, reader: Client, place: str
) -> None:
    theirs = scenes.ended(builders.make_user())
    scenes.ended(user, name="Mine")

    assert "Mine" in page_of(reader, f"/?{place}")
    assert "Mine" in page_of(reader, f"/?after={theirs.pk}")


def test_a_list_of_many_runs_asks_as_many_questions_as_one_of_few(user: User) -> None:
    data = scenes.dataset(user)
    reader = signed_in(user)

    def questions() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            reader.get("/")
        return len(captured)

    scenes.training(user, dataset=data)
    few = questions()
    for number in range(4):
        scenes.training(user, name=f"Run {number}", dataset=data)

    assert questions() == few


def test_the_table_refreshes_itself_while_a_run_is_alive(user: User, reader: Client) -> None:
    scenes.training(user)
    page = reader.get("/?status=alive").content.decode()

    assert 'hx-get="/runs/rows/?status=alive&amp;seen=' in page
    assert 'hx-trigger="every 3s"' in page


def test_a_table_that_has_not_changed_is_answered_with_nothing(user: User, reader: Client) -> None:
    scenes.waiting(user)
    url = reader.get("/runs/rows/").context["block"].url

    unchanged = reader.get(url)
    scenes.ended(user, name="Another one")
    changed = reader.get(url)

    assert unchanged.status_code == 204
    assert changed.status_code == 200
    assert "Another one" in changed.content.decode()


def test_a_table_of_runs_that_are_over_stops_asking(user: User, reader: Client) -> None:
    scenes.ended(user)

    response = reader.get("/runs/rows/")

    assert response.status_code == 286
    # The meter that comes along goes on: a run may start elsewhere.
    assert "hx-get" not in response.content.decode().partition('<a class="burn')[0]


def test_a_block_that_polls_after_the_session_ended_reloads_its_page(db: None) -> None:
    response = Client().get("/runs/rows/", headers={"HX-Request": "true"}, follow=True)

    assert response["HX-Refresh"] == "true"


def test_signing_in_leads_to_where_one_wanted_to_go(db: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    ada = builders.make_user("ada", password="swordfish-and-chips")
    browser = Client()
    given = {"username": ada.username, "password": "swordfish-and-chips", "next": "/vault/"}

    wrong = browser.post("/login/", given | {"password": "wrong"})
    right = browser.post("/login/", given)

    assert "correct username and password" in wrong.content.decode()
    assert 'value="ada"' in wrong.content.decode()
    assert right["Location"] == "/vault/"


def test_the_list_takes_nothing_by_post(reader: Client) -> None:
    assert reader.post("/").status_code == 405
