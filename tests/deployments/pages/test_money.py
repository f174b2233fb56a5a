"""The money bar: what is spent, where the run will likely end, and where training stops."""

from decimal import Decimal

from django.contrib.auth.models import User

from core.time import database_now
from deployments import overview
from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.pages import money
from deployments.pages.money import MoneyBar
from deployments.timing import Timing
from tests.deployments.pages import scenes


def bar_of(deployment: Deployment) -> MoneyBar:
    run = overview.deployment_overview(deployment, now=database_now())
    return money.money_bar(run, timing=Timing(), quantum_seconds=60)


def test_training_stops_before_the_budget_by_what_a_landing_costs(user: User) -> None:
    # D8: at 1.29 USD an hour a landing costs 0.111 USD.
    bar = bar_of(scenes.training(user))

    assert bar.stop == Decimal("2.38")
    assert bar.kept_back == Decimal("0.12")
    assert bar.stop_percent == 95.2
    assert bar.kept_percent == 4.8


def test_the_likely_end_is_a_range_between_what_is_spent_and_the_budget(user: User) -> None:
    bar = bar_of(scenes.training(user))

    assert bar.likely is not None
    assert bar.spent < bar.likely.low < bar.likely.high <= bar.budget
    assert bar.likely_label is not None
    assert bar.likely_label.anchor == "start"


def test_without_a_pace_there_is_no_forecast(user: User) -> None:
    bar = bar_of(scenes.preparing(user))

    assert bar.likely is None
    assert bar.ahead_percent == 0


def test_the_forecast_never_goes_over_the_budget_that_the_run_is_stopped_for(user: User) -> None:
    bar = bar_of(scenes.training(user, budget_limit=Decimal("0.90")))

    assert bar.likely is not None
    assert bar.likely.high == Decimal("0.90")
    assert bar.high_percent == 100


def test_labels_that_have_no_room_beside_each_other_are_not_put_there(user: User) -> None:
    bar = bar_of(scenes.training(user, budget_limit=Decimal("1.20")))

    assert bar.likely is not None
    assert bar.likely_label is None


def test_a_run_that_lands_says_so_and_forecasts_nothing(user: User) -> None:
    deployment = scenes.training(user)
    scenes.change(deployment, Status.COLLECTING, at=database_now(), message="Saving.")

    bar = bar_of(deployment)

    assert bar.is_landing
    assert bar.likely is None


def test_before_a_machine_is_rented_the_highest_price_allowed_counts(user: User) -> None:
    bar = bar_of(scenes.waiting(user, max_hourly_price=Decimal("12.90")))

    assert bar.spent == 0
    assert bar.kept_back == Decimal("1.12")


def test_a_budget_below_a_landing_leaves_nothing_to_train_with(user: User) -> None:
    bar = bar_of(scenes.waiting(user, budget_limit=Decimal("0.05")))

    assert bar.stop == 0
    assert bar.stop_percent == 0
