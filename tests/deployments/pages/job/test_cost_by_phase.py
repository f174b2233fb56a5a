"""The cost by phase: from launch to gone, machine by machine, in cents that add up."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from core.time import database_now
from deployments import costs, overview
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from deployments.pages.job import cost_by_phase
from deployments.pages.job.cost_by_phase import CostByPhase
from deployments.pages.job.spans import split_cents
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import address, read

CENTS = st.decimals(min_value=0, max_value=100, places=4)


@given(st.lists(CENTS, min_size=1, max_size=12))
def test_parts_in_whole_cents_add_up_to_the_total_that_is_shown(parts: list[Decimal]) -> None:
    total = costs.cents_up(sum(parts, Decimal(0)))

    shown = split_cents(parts, total=total)

    assert sum(shown, Decimal(0)) == total
    assert all(abs(cents - part) <= costs.CENT for cents, part in zip(shown, parts, strict=True))


def table_of(deployment: Deployment) -> CostByPhase:
    now = database_now()
    run = overview.deployment_overview(deployment, now=now)
    changes = [overview.event_line(event, {}) for event in deployment.events.exclude(to_status="")]
    return cost_by_phase.cost_by_phase(run, changes, now=now)


def test_a_run_that_is_over_costs_what_its_phases_and_the_rounding_add_up_to(user: User) -> None:
    table = table_of(scenes.ended(user))

    assert [line.word for line in table.lines] == [
        "Launch",
        "Boot",
        "Prepare",
        "Train",
        "Bring home",
        "End and prove",
        "Rounding up to whole minutes",
    ]
    assert sum((line.cost for line in table.lines), Decimal(0)) == table.total == Decimal("1.06")
    assert table.seconds == 49 * 60
    assert table.is_final
    assert table.hourly == Decimal("1.29")


def test_the_time_a_failed_run_s_machine_is_kept_for_its_owner_is_a_phase_of_its_own(
    user: User,
) -> None:
    deployment = scenes.kept(user)
    kept = {line.word: line.seconds for line in table_of(deployment).lines}
    asked = database_now()
    Machine.objects.update(terminate_requested_at=asked)
    ending = {line.word: line.seconds for line in table_of(deployment).lines}

    assert kept["Kept for you"] > 0
    assert "End and prove" not in kept
    assert ending["Kept for you"] == pytest.approx(kept["Kept for you"], abs=60)
    assert ending["End and prove"] < 60


def test_F21_F18_a_machine_that_nobody_wanted_is_a_line_and_the_sum_still_adds_up(
    user: User,
) -> None:
    deployment = scenes.ended(user)
    begin = deployment.created_at
    builders.make_stray(
        deployment,
        instance_id="i-second",
        bills_from=begin,
        gone_at=begin + timedelta(minutes=10),
        billed_usd=Decimal("0.2150"),
    )
    Deployment.objects.update(actual_cost=Decimal("1.06") + Decimal("0.2150"))
    deployment.refresh_from_db()

    table = table_of(deployment)

    stray = next(line for line in table.lines if line.word == "Wanted by no run")
    assert (stray.machine, stray.seconds) == ("i-second", 600)
    assert sum((line.cost for line in table.lines), Decimal(0)) == table.total == Decimal("1.28")


def test_F73_it_says_that_slipway_makes_no_volumes_and_that_yours_bill_apart(
    user: User, reader: Client
) -> None:
    assert "Slipway makes no volumes or file systems" in read(reader, scenes.ended(user), "cost/")


def test_a_run_that_goes_on_shows_what_it_has_cost_so_far(user: User) -> None:
    table = table_of(scenes.training(user))

    assert [line.word for line in table.lines][-2:] == ["Train", "Rounding up to whole minutes"]
    assert sum((line.cost for line in table.lines), Decimal(0)) == table.total
    assert not table.is_final


def two_machines(user: User, *, second_price: str = "2.58") -> Deployment:
    """Make a run whose first machine was lost after 10 minutes, and whose second costs more."""
    deployment = scenes.run(user)
    first = scenes.prepared(deployment)
    begin = deployment.created_at
    scenes.change(deployment, Status.RECOVERING, at=begin + timedelta(seconds=400), message="Lost.")
    scenes.gone(first, at=begin + timedelta(seconds=600))
    scenes.change(deployment, Status.LAUNCHING, at=begin + timedelta(seconds=601), message="Again.")
    second = builders.make_machine(
        deployment,
        requested_at=begin + timedelta(seconds=602),
        hourly_price=Decimal(second_price),
    )
    scenes.change(deployment, Status.BOOTING, at=begin + timedelta(seconds=610), message="Ours.")
    scenes.gone(second, at=begin + timedelta(seconds=1202))
    scenes.finish(deployment, Status.FAILED, at=begin + timedelta(seconds=1203))
    return deployment


def test_several_machines_have_their_lines_and_their_rounding_each(user: User) -> None:
    table = table_of(two_machines(user))

    named = [(line.machine, line.word) for line in table.lines]
    assert named.count(("First machine", "Launch")) == 1
    assert named.count(("Second machine", "Launch")) == 1
    assert [machine for machine, word in named if word.startswith("Rounding")] == [
        "First machine",
        "Second machine",
    ]
    assert sum((line.cost for line in table.lines), Decimal(0)) == table.total
    # 10 minutes at 1.29 USD an hour, and 10 at twice that.
    assert table.total == Decimal("0.65")


def test_machines_at_one_price_have_it_told_once_and_others_do_not(user: User) -> None:
    assert table_of(two_machines(user, second_price="1.29")).hourly == Decimal("1.29")
    assert table_of(two_machines(user)).hourly is None


def test_a_run_without_a_machine_has_no_lines_and_costs_nothing(user: User) -> None:
    table = table_of(scenes.waiting(user))

    assert table.lines == ()
    assert table.total == 0
    assert table.seconds == 0


@pytest.mark.parametrize(
    ("quantum", "words"), [(1, "whole seconds"), (60, "whole minutes"), (300, "steps of 300 s")]
)
def test_the_rounding_is_named_after_the_clouds_step(user: User, quantum: int, words: str) -> None:
    deployment = scenes.ended(user)
    deployment.machines.update(billing_quantum_seconds=quantum)

    table = table_of(deployment)

    assert table.lines[-1].word == f"Rounding up to {words}"


def test_the_page_and_the_csv_show_the_same_table(user: User, reader: Client) -> None:
    deployment = scenes.ended(user)

    page = read(reader, deployment, "cost/")
    answer = reader.get(address(deployment, "cost.csv"))

    head, *lines, total = csv.reader(io.StringIO(answer.content.decode()))
    assert head == ["machine", "phase", "seconds", "usd"]
    assert sum(Decimal(line[3]) for line in lines) == Decimal(total[3]) == Decimal("1.06")
    assert "Boot 4:04 $0.09" in page
    assert "49 min at $1.29 an hour 49:00 $1.06" in page
    assert answer["Content-Disposition"].endswith('"support-answers-v3-cost.csv"')


def test_before_a_machine_is_rented_nothing_was_paid(user: User, reader: Client) -> None:
    assert "no machine was rented yet" in read(reader, scenes.waiting(user), "cost/")
