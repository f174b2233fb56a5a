"""Times in the reader's zone on the pages, in UTC everywhere else."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests import builders
from tests.deployments.pages.conftest import signed_in

NIGHT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


@pytest.fixture
def page(user: User) -> str:
    """The address of the events of a run that was accepted at half past eleven at night."""
    deployment = builders.make_deployment(user)
    builders.make_event(deployment, at=NIGHT, message="Accepted.")
    return f"/jobs/{deployment.job_id}/events/"


def of_zone(reader: Client, zone: str) -> Client:
    reader.cookies["zone"] = zone
    return reader


def test_without_a_zone_times_are_utc_and_the_foot_says_so(reader: Client, page: str) -> None:
    shown = reader.get(page).content.decode()

    assert "23:30:00" in shown
    assert "Times are UTC." in shown


@pytest.mark.parametrize(
    ("zone", "clock", "words"),
    [
        ("Europe/Berlin", "00:30:00", "Europe/Berlin (UTC+"),
        ("America/New_York", "18:30:00", "America/New York (UTC-"),
        ("Asia/Kolkata", "05:00:00", "Asia/Kolkata (UTC+5:30)"),
    ],
)
def test_the_readers_zone_words_the_times_and_utc_stays_beside(
    reader: Client, page: str, zone: str, clock: str, words: str
) -> None:
    shown = of_zone(reader, zone).get(page).content.decode()

    assert clock in shown
    assert f"Times are in your zone, {words}" in shown
    assert "2026-03-02T23:30:00+00:00" in shown
    # The next request of the same thread begins anew.
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.parametrize("zone", ["Moon/Base", "../../etc/passwd", "", "Europe/Berlin\x00", "é"])
def test_a_zone_that_nobody_knows_is_passed_over(reader: Client, page: str, zone: str) -> None:
    shown = of_zone(reader, zone).get(page)

    assert shown.status_code == 200
    assert "Times are UTC." in shown.content.decode()


def test_the_rest_interface_tells_utc_whoever_asks(user: User, page: str) -> None:
    reader = of_zone(signed_in(user), "Asia/Kolkata")
    job = page.split("/")[2]

    (event,) = reader.get(f"/api/training/jobs/{job}/events").json()["data"]

    assert event["at"].startswith("2026-03-02T23:30:00")
    assert event["at"].endswith(("Z", "+00:00"))
