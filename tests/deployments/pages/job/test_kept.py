"""A failed run's machine that is kept for a look: until when, that it bills, and ending it."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployments.models import Deployment
from deployments.models.deployments import Desired, Status
from deployments.templatetags.wording import moment
from tests.deployments.api.calls import Caller
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import address, read, shown
from tests.deployments.pages.test_machines import page_of


@pytest.fixture
def kept(user: User) -> Deployment:
    """Make a run whose machine is kept for a look."""
    return scenes.kept(user)


def until(deployment: Deployment) -> str:
    """Return how the pages word the end of the look, with plain spaces."""
    return moment(deployment.kept_until, timezone.now()).replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_says_until_when_it_is_kept_that_it_bills_and_how_to_end_it(
    reader: Client, kept: Deployment
) -> None:
    page = read(reader, kept)

    assert f"Kept until {until(kept)}, it bills" in page
    assert f"We keep the machine until {until(kept)} so that you can look" in page
    assert "end the machine: until then it bills" in page
    assert "End it now" in page
    assert "End the machine now" in page
    assert "being ended" not in page
    assert f'href="{address(kept, "cancel/")}"' in shown(reader, kept)


def test_the_machines_facts_say_that_it_is_kept_and_bills(reader: Client, kept: Deployment) -> None:
    assert f"Running, kept until {until(kept)}: it bills" in read(reader, kept, "events/")


def test_f24_its_owner_ends_it_at_once(user: User, reader: Client, kept: Deployment) -> None:
    asked = read(reader, kept, "cancel/")
    answer = reader.post(address(kept, "cancel/"), follow=True)

    kept.refresh_from_db()
    assert "End the machine now?" in asked
    assert "Lost: what is on the machine alone. Kept: all logs and metrics." in asked
    assert kept.desired == Desired.STOP
    told = answer.content.decode()
    assert "the machine is ended now" in told
    assert "End it now" not in told
    assert "Kept until" not in told


def test_ending_it_asks_for_no_name_since_nothing_dear_is_thrown_away(
    reader: Client, kept: Deployment, settings: Settings
) -> None:
    settings.CONFIRM_NAME_FROM_USD = Decimal("0.01")

    assert "Type the run's name" not in read(reader, kept, "cancel/")
    reader.post(address(kept, "cancel/"))

    kept.refresh_from_db()
    assert kept.desired == Desired.STOP


def test_once_the_look_is_over_it_says_that_the_machine_is_being_ended(
    reader: Client, kept: Deployment
) -> None:
    kept.machines.update(end_wanted_at=kept.kept_until)

    page = read(reader, kept)

    assert "Ending, still bills" in page
    assert "End it now" not in page
    assert reader.get(address(kept, "cancel/")).status_code == 302


def test_the_machines_page_lets_it_be_ended_too(reader: Client, kept: Deployment) -> None:
    page = page_of(reader)

    assert f"kept until {until(kept)}," in page
    assert f'href="{address(kept, "cancel/")}"' in page


def test_programs_are_told_until_when_it_is_kept(user: User, kept: Deployment) -> None:
    path = f"training/deploy/lambda?deployment_id={kept.pk}"
    caller = Caller(user)

    told = caller.read(path)["kept_until"]
    kept.machines.update(end_wanted_at=kept.kept_until)

    assert told is not None
    assert caller.read(path)["kept_until"] is None


def test_a_run_that_ends_without_a_look_is_not_kept(user: User, reader: Client) -> None:
    deployment = scenes.kept(user)
    Deployment.objects.update(kept_until=None, status=Status.TERMINATING)

    assert "End it now" not in read(reader, deployment)
