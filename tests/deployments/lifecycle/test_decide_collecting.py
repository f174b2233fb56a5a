"""Collecting: what is decided until the adapter is home, or is left behind."""

from decimal import Decimal

import pytest

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Effect, Record
from deployments.models import RunState
from deployments.models.deployments import Desired, Status
from tests.deployments.lifecycle.situations import (
    TIMING,
    a_run,
    absent,
    ago,
    collecting,
    decided,
    ended,
    error_of,
    performs,
    recorded,
    working,
)

S = Status
STOP = {"desired": Desired.STOP}
LOST = {"since": 40, "until": 0, "lists": 4}
LANDING_SECONDS = TIMING.save_seconds + TIMING.collect_seconds


def test_a_finished_run_with_its_adapter_home_is_completed() -> None:
    action = recorded(collecting(), working(), run=ended(), adapter_home=True)

    assert action.to == S.TERMINATING
    assert action.deployment == {"outcome": S.COMPLETED, "error": None}


def test_a_failed_run_with_its_adapter_home_is_failed_with_its_own_reason() -> None:
    why = faults.fault("E_NAN", "Loss is NaN.", remedy="Lower the learning rate.")

    action = recorded(
        collecting(landing="failed", error=why), working(), run=ended("failed"), adapter_home=True
    )

    assert action.deployment == {"outcome": S.FAILED, "error": why}


def test_an_adapter_at_home_counts_even_when_its_machine_is_lost() -> None:
    machine = absent(working(), **LOST)

    action = recorded(collecting(), machine, run=ended(), adapter_home=True)

    assert action.deployment["outcome"] == S.COMPLETED


def test_collecting_follows_until_the_agent_has_saved() -> None:
    action = decided(collecting(landing="stop", **STOP), working(), run=a_run())

    assert performs(action, Effect.FOLLOW)


@pytest.mark.parametrize("run", [None, a_run(), ended("stopped")])
@pytest.mark.parametrize(
    ("landing", "outcome"),
    [("stop", S.CANCELLED), ("budget", S.FAILED), ("deadline", S.FAILED)],
)
def test_I5_a_landing_has_the_time_that_was_kept_back_for_it(
    landing: str, outcome: Status, run: RunState | None
) -> None:
    wish = STOP if landing == "stop" else {}
    in_time = collecting(landing=landing, status_since=ago(LANDING_SECONDS - 1), **wish)
    too_late = collecting(landing=landing, status_since=ago(LANDING_SECONDS), **wish)

    assert not isinstance(decided(in_time, working(), run=run), Record)
    action = recorded(too_late, working(), run=run)

    assert action.to == S.TERMINATING
    assert action.deployment["outcome"] == outcome
    assert error_of(action) in ("E_COLLECT", "E_NO_ADAPTER")


def test_a_landing_without_an_adapter_ends_as_soon_as_the_agent_said_so() -> None:
    deployment = collecting(landing="deadline", error=faults.over_time("1"))

    action = recorded(deployment, working(), run=ended("stopped", has_adapter=False))

    assert action.to == S.TERMINATING
    assert error_of(action) == "E_MAX_HOURS"


def test_a_finished_adapter_is_tried_for_as_long_as_the_budget_lasts() -> None:
    deployment = collecting(status_since=ago(280))

    assert performs(decided(deployment, working(), run=ended()), Effect.COLLECT)


@pytest.mark.parametrize("landing", ["finished", "failed"])
def test_I5_a_finished_adapter_that_never_comes_ends_at_the_time_limit(landing: str) -> None:
    limit = {"max_hours": Decimal("0.08"), "landing": landing}
    just_begun = collecting(status_since=ago(LANDING_SECONDS - 1), **limit)
    too_late = collecting(status_since=ago(LANDING_SECONDS), **limit)

    assert performs(decided(just_begun, working(), run=ended()), Effect.COLLECT)
    assert recorded(too_late, working(), run=ended()).to == S.TERMINATING


def test_F59_an_adapter_that_is_none_ends_it() -> None:
    machine = working(fault=faults.no_adapter())

    action = recorded(collecting(), machine, run=ended())

    assert action.to == S.TERMINATING
    assert error_of(action) == "E_NO_ADAPTER"


def test_F50_an_unhealthy_machine_is_still_collected_from() -> None:
    machine = working(seen_status="unhealthy")
    told = collecting(attention=dict(faults.unhealthy_but_works(machine.name)))

    assert performs(decided(told, machine, run=ended()), Effect.COLLECT)
