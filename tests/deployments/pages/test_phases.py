"""The phase strip and the cost by phase: what each machine did, and cents that add up."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from core.time import database_now
from deployments import costs, overview
from deployments.models import Deployment
from deployments.models.deployments import LaunchState, Status
from deployments.pages import phases
from deployments.pages.phases import Ledger, Strip
from tests import builders
from tests.deployments.pages import scenes

CENTS = st.decimals(min_value=0, max_value=100, places=4)


@given(st.lists(CENTS, min_size=1, max_size=12))
def test_parts_in_whole_cents_add_up_to_the_total_that_is_shown(parts: list[Decimal]) -> None:
    total = costs.cents_up(sum(parts, Decimal(0)))

    shown = phases.split_cents(parts, total=total)

    assert sum(shown, Decimal(0)) == total
    assert all(abs(cents - part) <= costs.CENT for cents, part in zip(shown, parts, strict=True))


def strips_of(deployment: Deployment) -> tuple[Strip, ...]:
    run, changes = read(deployment)
    return phases.strips(run, changes, now=database_now())


def ledger_of(deployment: Deployment) -> Ledger:
    run, changes = read(deployment)
    return phases.ledger(run, changes, now=database_now())


def read(
    deployment: Deployment,
) -> tuple[overview.DeploymentOverview, list[overview.EventLine]]:
    run = overview.deployment_overview(deployment, now=database_now())
    changes = [overview.event_line(event, {}) for event in deployment.events.exclude(to_status="")]
    return run, changes


def test_a_run_in_training_shows_what_is_done_what_goes_on_and_what_is_to_come(user: User) -> None:
    (strip,) = strips_of(scenes.training(user))

    assert [phase.state for phase in strip.phases] == [
        "done",
        "done",
        "done",
        "now",
        "to-come",
        "to-come",
    ]
    assert [phase.word for phase in strip.phases][:4] == ["Launch", "Boot", "Prepare", "Train"]
    assert strip.phases[1].seconds == 244
    assert strip.phases[3].percent == pytest.approx(62.1)
    assert strip.phases[4].cost is None
    assert strip.title == ""


def test_the_cents_of_the_strip_add_up_to_the_cost_of_a_run_that_is_over(user: User) -> None:
    deployment = scenes.ended(user)

    (strip,) = strips_of(deployment)

    cents = [phase.cost for phase in strip.phases if phase.cost is not None]
    assert sum(cents, Decimal(0)) == Decimal("1.06")
    assert strip.phases[-1].state == "proven"


def test_the_ledger_names_what_the_cloud_rounds_up_and_adds_up_to_the_cost(user: User) -> None:
    ledger = ledger_of(scenes.ended(user))

    assert [line.word for line in ledger.lines][-1] == "Rounding up to whole minutes"
    assert sum((line.cost for line in ledger.lines), Decimal(0)) == ledger.total
    assert ledger.total == Decimal("1.06")
    assert ledger.seconds == 49 * 60


def test_a_phase_that_was_passed_over_was_not_reached(user: User) -> None:
    (strip,) = strips_of(scenes.failed(user))

    assert strip.phases[4].state == "skipped"


def test_a_run_that_cannot_end_its_machine_is_stuck_in_the_last_phase(user: User) -> None:
    (strip,) = strips_of(scenes.needs_owner(user))

    assert strip.phases[-1].state == "stuck"


def test_before_a_machine_is_rented_the_launch_goes_on_and_has_cost_nothing(user: User) -> None:
    (strip,) = strips_of(scenes.waiting(user))

    assert [phase.state for phase in strip.phases] == ["now", *["to-come"] * 5]
    assert all(phase.cost is None for phase in strip.phases)


def test_a_second_machine_has_a_strip_of_its_own_and_the_first_keeps_its_ending(
    user: User,
) -> None:
    deployment = scenes.run(user)
    first = scenes.prepared(deployment)
    begin = deployment.created_at
    scenes.change(deployment, Status.RECOVERING, at=begin + timedelta(seconds=400), message="Lost.")
    scenes.gone(first, at=begin + timedelta(seconds=600))
    scenes.change(deployment, Status.LAUNCHING, at=begin + timedelta(seconds=601), message="Again.")
    builders.make_machine(
        deployment,
        launch_state=LaunchState.UNKNOWN,
        instance_id="",
        requested_at=begin + timedelta(seconds=602),
    )

    one, two = strips_of(deployment)

    assert one.title == "First machine"
    assert [phase.state for phase in one.phases] == [
        "done",
        "done",
        "done",
        "skipped",
        "skipped",
        "proven",
    ]
    assert two.title == "Second machine, after the one before was lost"
    assert two.phases[0].state == "now"
    spent = overview.deployment_overview(deployment, now=database_now()).cost.accrued
    cents = [p.cost for strip in (one, two) for p in strip.phases if p.cost is not None]
    assert abs(sum(cents, Decimal(0)) - spent) <= costs.CENT
