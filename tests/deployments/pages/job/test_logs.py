"""The log of a run: searched, filtered, paged by a line's id, followed, and never cut."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments.models import Deployment, LogLine
from deployments.pages.job import logs
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import address, read, shown

LINES = logs.LINES_A_PAGE + 2


@pytest.fixture
def deployment(user: User) -> Deployment:
    """Make a run that has told two lines more than a page holds; the fourth is an error."""
    made = scenes.preparing(user)
    machine = made.machines.get()
    LogLine.objects.filter(machine=machine).delete()
    for number in range(LINES):
        level = "error" if number == 3 else "info"
        builders.make_log_line(machine, text=f"line {number}.", level=level)
    return made


def link(page: str, name: str) -> str:
    """Return where a link of the page leads, without its path."""
    found = re.search(rf'id="log-{name}"\s+href="(\?[^"]+)"', page)
    assert found is not None
    return "logs/" + found[1].replace("&amp;", "&")


def texts(page: str) -> list[str]:
    return re.findall(r'<span class="text">(line \d+\.)</span>', page)


def test_the_newest_lines_come_first_and_older_ones_are_a_link_away(
    reader: Client, deployment: Deployment
) -> None:
    newest = shown(reader, deployment, "logs/")

    older = shown(reader, deployment, link(newest, "older"))
    back = shown(reader, deployment, link(older, "newer"))

    assert texts(newest) == [f"line {n}." for n in range(2, LINES)]
    assert texts(older) == ["line 0.", "line 1."]
    assert texts(back) == texts(newest)
    assert "Older lines" not in older


def test_lines_are_found_by_a_word_and_by_their_level(
    reader: Client, deployment: Deployment
) -> None:
    errors = shown(reader, deployment, "logs/?level=error")
    found = shown(reader, deployment, "logs/?q=LINE+77.")
    none = read(reader, deployment, "logs/?q=nothing+like+it")

    assert texts(errors) == ["line 3."]
    assert texts(found) == ["line 77."]
    assert "No line matches" in none


def test_the_file_has_every_line(reader: Client, deployment: Deployment) -> None:
    response = reader.get(address(deployment, "logs.txt"))

    text = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    assert len(text.splitlines()) == LINES
    assert response["Content-Disposition"].endswith('-log.txt"')


def test_an_unknown_level_is_refused_in_words(reader: Client, deployment: Deployment) -> None:
    response = reader.get(address(deployment, "logs/?level=loud"))

    assert response.status_code == 400
    assert "There is no such level." in response.content.decode()


@pytest.mark.parametrize("nonsense", ["before=x", "before=" + "9" * 40, "after=-1"])
def test_an_id_that_is_none_is_passed_over(
    reader: Client, deployment: Deployment, nonsense: str
) -> None:
    assert texts(shown(reader, deployment, f"logs/?{nonsense}"))[-1] == f"line {LINES - 1}."


def follow(page: str) -> str:
    found = re.search(r'hx-get="([^"]+/logs/newer/[^"]+)"', page)
    assert found is not None
    return found[1].replace("&amp;", "&")


def test_a_live_log_is_followed_from_its_newest_line(
    reader: Client, deployment: Deployment
) -> None:
    url = follow(shown(reader, deployment, "logs/"))
    quiet = reader.get(url)
    builders.make_log_line(deployment.machines.get(), text="line 999.")

    told = reader.get(url)

    assert quiet.status_code == 204
    assert texts(told.content.decode()) == ["line 999."]
    assert reader.get(follow(told.content.decode())).status_code == 204


def test_following_keeps_the_filter(reader: Client, deployment: Deployment) -> None:
    url = follow(shown(reader, deployment, "logs/?level=warning&q=disk"))
    machine = deployment.machines.get()
    builders.make_log_line(machine, text="disk is fine")
    builders.make_log_line(machine, text="disk is full", level="warning")

    page = reader.get(url).content.decode()

    assert "disk is full" in page
    assert "disk is fine" not in page


def test_a_log_that_is_over_is_followed_no_more(user: User, reader: Client) -> None:
    deployment = scenes.ended(user)

    page = shown(reader, deployment, "logs/")
    last = reader.get(address(deployment, "logs/newer/?after=0"))

    assert "logs/newer/" not in page
    assert last.status_code == 200
    assert "hx-get" not in last.content.decode()


def test_an_older_page_is_not_followed(reader: Client, deployment: Deployment) -> None:
    older = shown(reader, deployment, link(shown(reader, deployment, "logs/"), "older"))

    assert "logs/newer/" not in older


def test_a_new_day_is_told_between_the_lines(reader: Client, deployment: Deployment) -> None:
    machine = deployment.machines.get()
    LogLine.objects.all().delete()
    for days in (0, 0, 1):
        builders.make_log_line(machine, at=builders.NOON + timedelta(days=days))

    page = shown(reader, deployment, "logs/")

    assert re.findall(r'class="log-day">([^<]+)<', page) == ["Tuesday 3 March"]


def test_f82_lines_are_found_by_id_and_never_by_counting_past_others(
    reader: Client, deployment: Deployment
) -> None:
    url = link(shown(reader, deployment, "logs/"), "older")

    with CaptureQueriesContext(connection) as captured:
        reader.get(address(deployment, url))

    assert not [query["sql"] for query in captured if "OFFSET" in query["sql"]]
