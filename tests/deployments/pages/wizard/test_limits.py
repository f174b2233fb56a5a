"""What the wizard says of caps and the kill switch before Start, and the amount typed (T20)."""

from decimal import Decimal
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from deployments import kill_switch
from deployments.models import Deployment, Draft, UserLimits
from tests import builders
from tests.deployments.pages.wizard import reviewing, test_hardware
from tests.deployments.pages.wizard.market import ready_draft
from tests.deployments.pages.wizard.test_hardware import text


@pytest.fixture
def draft(user: User, market: responses.RequestsMock) -> Draft:
    """Return a draft with a budget of 4 USD that could be started."""
    return ready_draft(user, **reviewing.complete())


def review(reader: Client, draft: Draft) -> Any:
    return reader.get(reviewing.address(draft))


def test_the_review_shows_what_is_left_of_the_month(
    user: User, reader: Client, draft: Draft
) -> None:
    UserLimits.objects.create(user=user, monthly_usd=Decimal("50.00"))

    words = text(review(reader, draft))

    assert "$50.00 of $50.00 left" in words
    assert "Start, $" in words


def test_F6_the_review_says_before_start_that_the_budget_does_not_fit(
    user: User, reader: Client, draft: Draft
) -> None:
    UserLimits.objects.create(user=user, monthly_usd=Decimal("3.50"))

    page = review(reader, draft)

    words = text(page)
    assert "A budget of 4.00 USD does not fit into your cap of 3.50 USD" in words
    assert "/help/E_MONTHLY_CAP/" in page.content.decode()
    assert "Start, $" not in words


def test_what_comes_between_the_review_and_the_press_is_said_once(
    user: User, reader: Client, draft: Draft
) -> None:
    review(reader, draft)
    UserLimits.objects.create(user=user, monthly_usd=Decimal("3.50"))

    answer = reviewing.press(reader, draft)

    assert answer["Location"] == reviewing.address(draft)
    words = text(review(reader, draft))
    assert words.count("does not fit into your cap") == 1
    assert words.count("Nothing was started") == 1
    assert not Deployment.objects.exists()


def test_the_hardware_warns_and_still_keeps_the_draft(
    user: User, reader: Client, draft: Draft
) -> None:
    UserLimits.objects.create(user=user, monthly_usd=Decimal("3.50"))

    words = text(reader.get(test_hardware.address(draft)))
    answer = reader.post(test_hardware.address(draft), test_hardware.choice())

    assert "A budget of 4.00 USD does not fit" in words
    assert answer["Location"] == reviewing.address(draft)


def test_while_launches_are_blocked_the_review_offers_no_start(
    reader: Client, draft: Draft
) -> None:
    kill_switch.turn_on(actor=None, reason="drill")

    words = text(review(reader, draft))

    assert "Staff has blocked all launches" in words
    assert "Start, $" not in words


# The amount that is typed.


@pytest.fixture
def large(settings: Settings) -> None:
    """Call the draft's 4 USD large."""
    settings.CONFIRM_BUDGET_FROM_USD = Decimal(4)


@pytest.mark.usefixtures("large")
def test_a_large_budget_is_typed_before_its_run_starts(reader: Client, draft: Draft) -> None:
    assert "Type 4.00 to allow a budget of $4.00" in text(review(reader, draft))

    page = reviewing.press(reader, draft)
    assert "Nothing was started: type 4.00 to allow" in text(page)
    assert not Deployment.objects.exists()

    reviewing.press(reader, draft, confirm_budget="4.00")
    assert Deployment.objects.get().budget_limit == Decimal("4.00")


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("typed", ["", "40.00", "yes", "NaN", "sNaN", "-4", "4.001", "4e", "0x4"])
def test_anything_else_starts_nothing(reader: Client, draft: Draft, typed: str) -> None:
    reviewing.press(reader, draft, confirm_budget=typed)

    assert not Deployment.objects.exists()


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("typed", ["4", "4.0", " $4.00 "])
def test_the_amount_may_be_written_in_its_ways(reader: Client, draft: Draft, typed: str) -> None:
    reviewing.press(reader, draft, confirm_budget=typed)

    assert Deployment.objects.exists()


def test_a_smaller_budget_is_not_typed(reader: Client, draft: Draft, settings: Settings) -> None:
    settings.CONFIRM_BUDGET_FROM_USD = Decimal("4.01")

    assert "to allow a budget" not in text(review(reader, draft))
    reviewing.press(reader, draft)
    assert Deployment.objects.exists()


def test_caps_hold_for_what_was_typed_too(
    user: User, reader: Client, draft: Draft, large: None
) -> None:
    builders.make_limits(daily_usd=Decimal("3.99"))

    reviewing.press(reader, draft, confirm_budget="4.00")

    assert not Deployment.objects.exists()
