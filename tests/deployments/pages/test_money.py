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
from tests.deployments.pages.telling import step_at


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


def at_step(user: User, step: int) -> MoneyBar:
    """Return the bar of a run that has told of so many steps, at the pace of the story."""
    deployment = scenes.training(user)
    run = deployment.machines.get().run
    run.step, run.stepped_at = step, step_at(deployment.machines.get(), step)
    run.save()
    return bar_of(deployment)


def test_too_few_steps_say_nothing_of_the_pace(user: User) -> None:
    # The pace is counted from the first step, so one more is needed.
    assert at_step(user, money.ENOUGH_STEPS).likely is None


def test_the_range_narrows_with_the_steps_it_is_known_from(user: User) -> None:
    early, late = at_step(user, money.ENOUGH_STEPS + 1), at_step(user, 177)

    assert early.likely is not None
    assert late.likely is not None
    # 5 steps: a fifth less, a third more; 176 steps: a twentieth less, a seventh more.
    assert early.likely.high_seconds / early.likely.low_seconds > 1.5
    assert late.likely.high_seconds / late.likely.low_seconds < 1.6
    wide, narrow = (bar.likely.high - bar.likely.low for bar in (early, late) if bar.likely)
    assert wide > 3 * narrow


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
