"""What a user has spent since a moment, and what counts against their caps."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from deployments import spending
from deployments.caps import Committed
from deployments.models import UserLimits
from deployments.models.deployments import TERMINAL, LaunchState, Status
from deployments.spending import spent_since
from tests import builders
from tests.builders import NOON


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_machines_that_are_over_count_with_what_was_billed(db: None) -> None:
    deployment = builders.make_deployment()
    for billed in ("1.06", "0.44"):
        builders.make_machine(
            deployment, gone_at=NOON + hours(1), billed_usd=Decimal(billed), requested_at=NOON
        )

    assert spent_since(deployment.user, NOON - hours(1), now=NOON + hours(9)) == Decimal("1.50")


def test_a_machine_that_lives_counts_with_what_it_has_cost_so_far(db: None) -> None:
    machine = builders.make_machine(hourly_price=Decimal("1.20"), requested_at=NOON)
    user = machine.deployment.user

    assert spent_since(user, NOON - hours(1), now=NOON + hours(1.5)) == Decimal("1.80")


def test_a_machine_rented_before_counts_with_its_time_since_then(db: None) -> None:
    deployment = builders.make_deployment()
    builders.make_machine(
        deployment, requested_at=NOON, gone_at=NOON + hours(4), billed_usd=Decimal("4.00")
    )
    builders.make_machine(deployment, requested_at=NOON, hourly_price=Decimal("2.00"))

    # One hour of the first at 1 dollar an hour, three of the second at 2.
    assert spent_since(deployment.user, NOON + hours(3), now=NOON + hours(6)) == Decimal("7.00")


def test_what_was_over_before_and_what_never_ran_costs_nothing(db: None) -> None:
    deployment = builders.make_deployment()
    builders.make_machine(
        deployment, requested_at=NOON, gone_at=NOON + hours(1), billed_usd=Decimal("1.29")
    )
    builders.make_machine(deployment, launch_state=LaunchState.REFUSED, requested_at=NOON)

    assert spent_since(deployment.user, NOON + hours(2), now=NOON + hours(3)) == 0


def test_t2_other_peoples_machines_are_not_counted(db: None) -> None:
    builders.make_machine(requested_at=NOON)
    stranger: User = builders.make_user()

    assert spent_since(stranger, NOON - hours(1), now=NOON + hours(1)) == 0


# What counts against a cap (F6, I6, T20).


def committed(user: User, *, now: datetime) -> Committed:
    return spending.caps_of(user, now=now).month.committed


def test_a_living_run_counts_with_its_whole_budget_before_and_while_it_bills(db: None) -> None:
    waiting = builders.make_deployment(budget_limit=Decimal("7.50"))
    training = builders.make_deployment(
        waiting.user, budget_limit=Decimal("2.50"), status=Status.TRAINING
    )
    builders.make_machine(training, requested_at=NOON)

    found = committed(waiting.user, now=NOON + hours(1))

    assert found == Committed(reserved_usd=Decimal("10.00"), runs=2)


def test_a_living_run_that_cannot_be_ended_counts_with_what_it_costs_by_now(db: None) -> None:
    deployment = builders.make_deployment(budget_limit=Decimal("1.00"), status=Status.TERMINATING)
    builders.make_machine(deployment, requested_at=NOON, hourly_price=Decimal("2.00"))

    found = committed(deployment.user, now=NOON + hours(3))

    assert found == Committed(reserved_usd=Decimal("6.00"), runs=1)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_run_that_is_over_counts_with_its_bill_in_cents_and_nothing_more(
    db: None, status: Status
) -> None:
    deployment = builders.make_deployment(status=status)
    builders.make_machine(
        deployment, requested_at=NOON, gone_at=NOON + hours(1), billed_usd=Decimal("1.2901")
    )

    found = committed(deployment.user, now=NOON + hours(2))

    assert found == Committed(spent_usd=Decimal("1.30"))


def test_F18_F21_machines_that_came_late_or_twice_count_in_living_runs_and_in_those_over(
    db: None,
) -> None:
    living = builders.make_deployment(budget_limit=Decimal("1.00"), status=Status.TRAINING)
    over = builders.make_deployment(living.user, status=Status.COMPLETED)
    for deployment in (living, over):
        builders.make_stray(deployment, hourly_price=Decimal("2.00"))

    found = committed(living.user, now=NOON + hours(1))

    assert found == Committed(Decimal("2.00"), Decimal("2.00"), runs=1)


def test_a_run_that_was_over_before_the_month_does_not_count_and_one_across_it_in_part(
    db: None,
) -> None:
    user = builders.make_user()
    march = datetime(2026, 3, 1, tzinfo=UTC)
    begun = march - hours(3)
    for lasted, billed in ((1, "1.00"), (4, "4.00")):
        over = builders.make_deployment(user, status=Status.COMPLETED)
        builders.make_machine(
            over, requested_at=begun, gone_at=begun + hours(lasted), billed_usd=Decimal(billed)
        )

    assert committed(user, now=march - hours(1)) == Committed(spent_usd=Decimal("5.00"))
    assert committed(user, now=march + hours(9)) == Committed(spent_usd=Decimal("1.00"))
    tomorrow = spending.caps_of(user, now=march + hours(25))
    assert tomorrow.month.committed == Committed(spent_usd=Decimal("1.00"))
    assert tomorrow.day.committed == Committed()


def test_T2_each_user_counts_apart_and_all_together_for_the_day(db: None) -> None:
    nina, omar = builders.make_user(), builders.make_user()
    builders.make_deployment(nina, budget_limit=Decimal(3))
    builders.make_deployment(omar, budget_limit=Decimal(4))

    caps = spending.caps_of(nina, now=NOON)

    assert (caps.month.committed.reserved_usd, caps.machines.runs) == (Decimal(3), 1)
    assert (caps.day.committed.reserved_usd, caps.all_machines.runs) == (Decimal(7), 2)


def test_a_users_own_limits_come_before_everybodys_and_an_empty_one_is_everybodys(
    db: None,
) -> None:
    user = builders.make_user()
    own = UserLimits.objects.create(user=user, monthly_usd=Decimal(0))

    caps = spending.caps_of(user, now=NOON)

    assert (caps.month.limit_usd, caps.machines.limit) == (Decimal(0), 5)
    own.monthly_usd, own.max_machines = None, 7
    own.save()
    builders.make_limits(user_monthly_usd=None)
    caps = spending.caps_of(user, now=NOON)
    assert (caps.month.limit_usd, caps.machines.limit) == (None, 7)


def test_days_and_months_begin_in_utc() -> None:
    late = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=3)))

    assert spending.day_of(late) == datetime(2026, 2, 28, tzinfo=UTC)
    assert spending.month_of(late) == datetime(2026, 2, 1, tzinfo=UTC)


def test_the_sheet_has_a_line_for_each_user_who_counts(db: None) -> None:
    nina = builders.make_user("nina")
    builders.make_user("nobody")
    builders.make_deployment(nina, budget_limit=Decimal(3))
    UserLimits.objects.create(user=nina, monthly_usd=Decimal(5))

    sheet = spending.sheet(now=NOON)

    (line,) = sheet.users
    assert (line.user, line.month.left_usd, line.machines.runs) == (nina, Decimal(2), 1)
    assert (sheet.day.committed.reserved_usd, sheet.machines.runs) == (Decimal(3), 1)


def test_what_counts_is_read_in_so_many_queries_however_many_runs_there_are(
    db: None, django_assert_num_queries: Any
) -> None:
    user = builders.make_user()
    for _ in range(3):
        builders.make_machine(builders.make_deployment(user))

    with django_assert_num_queries(11):
        committed(user, now=NOON)
