"""The phase strip: what each machine did, does and will do, and cents that add up."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from core.time import database_now
from deployments import costs, overview
from deployments.models import Deployment
from deployments.models.deployments import LaunchState, Status
from deployments.pages.job import cost_by_phase, expected, phases
from deployments.pages.job.expected import Expected
from deployments.pages.job.phases import Strip
from deployments.timing import Timing
from tests import builders
from tests.deployments.pages import scenes


def strips_of(deployment: Deployment) -> tuple[Strip, ...]:
    now = database_now()
    run = overview.deployment_overview(deployment, now=now)
    changes = [overview.event_line(event, {}) for event in deployment.events.exclude(to_status="")]
    ahead = expected.expected(run, timing=Timing())
    cost = cost_by_phase.cost_by_phase(run, changes, now=now)
    return phases.strips(run, changes, cost=cost, expected=ahead, now=now)


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


def test_the_cents_of_the_strip_and_what_the_cloud_rounds_up_are_the_cost(user: User) -> None:
    (strip,) = strips_of(scenes.ended(user))

    cents = [phase.cost for phase in strip.phases if phase.cost is not None]
    assert sum(cents, Decimal(0)) + costs.CENT == Decimal("1.06")
    assert strip.phases[-1].state == "proven"


def test_phases_to_come_say_what_they_will_probably_take(user: User) -> None:
    (strip,) = strips_of(scenes.training(user))

    home, end = strip.phases[4:]
    # 60 s and 90 s at 1.29 USD an hour.
    assert home.expected == Expected(60, Decimal("0.03"))
    assert end.expected == Expected(90, Decimal("0.04"))


def test_before_a_price_is_known_only_the_time_is_expected(user: User) -> None:
    (strip,) = strips_of(scenes.waiting(user))

    assert strip.phases[1].expected == Expected(300, None)
    assert strip.phases[3].expected is None


def test_a_phase_that_was_passed_over_was_not_reached(user: User) -> None:
    (strip,) = strips_of(scenes.failed(user))

    assert strip.phases[4].state == "skipped"


def test_a_run_that_cannot_end_its_machine_is_stuck_in_the_last_phase(user: User) -> None:
    (strip,) = strips_of(scenes.needs_owner(user))

    assert strip.phases[-1].state == "stuck"


def test_f56_a_machine_that_cannot_be_ended_shows_so_before_its_end_has_begun(user: User) -> None:
    deployment = scenes.training(user)
    deployment.attention = {"code": "E_AUTH", "message": "Refused.", "remedy": ""}
    deployment.save()

    (strip,) = strips_of(deployment)

    assert [phase.state for phase in strip.phases][3:] == ["now", "to-come", "stuck"]


def test_what_a_machine_prepares_is_told(user: User) -> None:
    (strip,) = strips_of(scenes.preparing(user))

    assert "bringing the base model" in strip.phases[2].step


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
    assert two.title == "Second machine, after the first was lost"
    assert two.phases[0].state == "now"
