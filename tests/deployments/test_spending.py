"""What a user has spent since a moment: whole machines, living ones, and those across it."""

from datetime import timedelta
from decimal import Decimal

from django.contrib.auth.models import User

from deployments.models.deployments import LaunchState
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
