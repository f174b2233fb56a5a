"""Stop, budget and time limit: how a run lands."""

from decimal import Decimal
from typing import Any

import pytest

from deployments.lifecycle import faults
from deployments.lifecycle.actions import Effect, Record
from deployments.models import Machine
from deployments.models.deployments import Desired, Status
from tests.deployments.lifecycle.situations import (
    NOW,
    TIMING,
    a_deployment,
    a_machine,
    a_run,
    absent,
    ago,
    collecting,
    decided,
    ended,
    error_of,
    gone,
    logged_in,
    performs,
    recorded,
    refused,
    rests,
    unclear,
    working,
)

S = Status
STOP = {"desired": Desired.STOP}
LOST = {"since": 40, "until": 0, "lists": 4}
LANDING_SECONDS = TIMING.save_seconds + TIMING.collect_seconds

BEFORE_TRAINING: list[tuple[Status, tuple[Machine, ...]]] = [
    (S.QUEUED, ()),
    (S.WAITING_FOR_CAPACITY, (refused("capacity"),)),
    (S.LAUNCHING, ()),
    (S.LAUNCHING, (unclear(),)),
    (S.LAUNCHING, (a_machine(),)),
    (S.BOOTING, (a_machine(),)),
    (S.PREPARING, (logged_in(),)),
    (S.RECOVERING, (logged_in(end_wanted_at=ago(9)),)),
]


# Stop.


@pytest.mark.parametrize(("status", "machines"), BEFORE_TRAINING)
@pytest.mark.parametrize("save", [True, False])
def test_F24_a_stop_before_training_ends_the_machine_at_once(
    status: Status, machines: tuple[Machine, ...], save: bool
) -> None:
    action = recorded(a_deployment(status, save_wanted=save, **STOP), *machines)

    assert action.to == S.TERMINATING
    assert action.deployment == {"outcome": S.CANCELLED, "error": None}


def test_a_stop_wants_the_newest_machine_ended() -> None:
    machine = logged_in()

    action = recorded(a_deployment(S.PREPARING, **STOP), machine)

    assert action.machine is machine
    assert action.machine_changes == {"end_wanted_at": NOW}


def test_a_stop_in_training_saves_first() -> None:
    action = recorded(a_deployment(S.TRAINING, **STOP), working(), run=a_run())

    assert action.to == S.COLLECTING
    assert action.deployment == {"landing": "stop"}


@pytest.mark.parametrize("status", [S.TRAINING, S.COLLECTING])
def test_a_stop_without_saving_ends_the_machine_at_once(status: Status) -> None:
    deployment = a_deployment(status, save_wanted=False, landing="finished", **STOP)

    action = recorded(deployment, working(), run=a_run())

    assert action.to == S.TERMINATING
    assert action.deployment["outcome"] == S.CANCELLED


def test_a_stop_while_collecting_lets_the_adapter_come_home() -> None:
    action = decided(collecting(**STOP), working(), run=ended())

    assert performs(action, Effect.COLLECT)


def test_a_stop_that_saved_is_cancelled_with_its_adapter() -> None:
    deployment = collecting(landing="stop", **STOP)

    action = recorded(deployment, working(), run=ended("stopped"), adapter_home=True)

    assert action.to == S.TERMINATING
    assert action.deployment == {"outcome": S.CANCELLED, "error": None}


def test_a_machine_lost_after_a_stop_is_not_replaced() -> None:
    deployment = collecting(landing="stop", **STOP)

    action = recorded(deployment, absent(working(), **LOST), run=a_run())

    assert action.to == S.TERMINATING
    assert action.deployment["outcome"] == S.CANCELLED


# Budget (D8, F53): 1.20 USD an hour is 2 cents a minute; the reserve is 310 s, 0.1034 USD.

RESERVE = Decimal("0.1034")


def with_budget(status: Status, budget: Decimal, **fields: Any) -> Any:
    return a_deployment(status, budget_limit=budget, **fields)


def test_F53_training_lands_when_only_the_reserve_is_left() -> None:
    run_for_300_seconds = Decimal("0.10")

    going_on = decided(
        with_budget(S.TRAINING, run_for_300_seconds + RESERVE), working(), run=a_run()
    )
    landing = recorded(
        with_budget(S.TRAINING, run_for_300_seconds + RESERVE - Decimal("0.0001")),
        working(),
        run=a_run(),
    )

    assert performs(going_on, Effect.FOLLOW)
    assert landing.to == S.COLLECTING
    assert landing.deployment["landing"] == "budget"
    assert error_of(landing) == "E_BUDGET"


@pytest.mark.parametrize(("status", "machines"), BEFORE_TRAINING[3:])
def test_F53_before_training_the_budget_ends_the_machine(
    status: Status, machines: tuple[Machine, ...]
) -> None:
    action = recorded(with_budget(status, Decimal("0.15")), *machines)

    assert action.to == S.TERMINATING
    assert action.deployment["outcome"] == S.FAILED
    assert error_of(action) == "E_BUDGET"


def test_F53_earlier_machines_count_against_the_same_budget() -> None:
    first = gone(a_machine(), billed="9.80")

    landing = recorded(S.TRAINING, first, working(attempt=2), run=a_run())

    assert landing.deployment["landing"] == "budget"


def test_F53_collecting_uses_the_reserve_and_then_money_beats_the_adapter() -> None:
    landing = {"landing": "budget", "error": faults.over_budget("0.20")}

    going_on = decided(
        with_budget(S.COLLECTING, Decimal("0.15"), **landing), working(), run=ended("stopped")
    )
    over = recorded(
        with_budget(S.COLLECTING, Decimal("0.14"), **landing), working(), run=ended("stopped")
    )

    assert performs(going_on, Effect.COLLECT)
    assert over.to == S.TERMINATING
    assert error_of(over) == "E_BUDGET"


def test_F53_a_finished_run_whose_adapter_the_budget_left_behind_says_so() -> None:
    action = recorded(
        with_budget(S.COLLECTING, Decimal("0.14"), landing="finished"), working(), run=ended()
    )

    assert action.deployment["outcome"] == S.FAILED
    assert error_of(action) == "E_COLLECT"


def test_a_budget_used_up_after_a_stop_is_still_a_cancelled_run() -> None:
    deployment = with_budget(S.COLLECTING, Decimal("0.14"), landing="stop", **STOP)

    action = recorded(deployment, working(), run=a_run())

    assert action.deployment["outcome"] == S.CANCELLED


# Time limit (F54).


def test_F54_training_lands_at_its_time_limit() -> None:
    deployment = a_deployment(S.TRAINING, max_hours=Decimal("0.08"))

    action = recorded(deployment, working(), run=a_run())

    assert action.to == S.COLLECTING
    assert action.deployment["landing"] == "deadline"
    assert error_of(action) == "E_MAX_HOURS"


@pytest.mark.parametrize(
    ("status", "machines"),
    [
        *BEFORE_TRAINING[3:],
        (S.WAITING_FOR_CAPACITY, (gone(a_machine()), refused("capacity"))),
        (S.LAUNCHING, (gone(a_machine()),)),
        (S.RECOVERING, (gone(a_machine()),)),
    ],
)
def test_F54_the_time_limit_counts_from_the_first_machine_and_holds_everywhere(
    status: Status, machines: tuple[Machine, ...]
) -> None:
    action = recorded(a_deployment(status, max_hours=Decimal("0.08")), *machines)

    assert action.to == S.TERMINATING
    assert error_of(action) == "E_MAX_HOURS"


def test_F54_waiting_for_a_first_machine_is_no_running_time() -> None:
    deployment = a_deployment(S.WAITING_FOR_CAPACITY, max_hours=Decimal("0.01"))

    assert rests(decided(deployment, refused("capacity")))


@pytest.mark.parametrize(
    ("code", "outcome", "landing"),
    [
        ("E_MAX_HOURS", "stopped", "deadline"),
        ("E_CONTROL_SILENT", "stopped", "silence"),
        ("E_MACHINE_STOPPING", "stopped", "failed"),
        ("E_MAX_HOURS", "failed", "failed"),
    ],
)
def test_what_stopped_the_run_on_the_machine_is_told_apart(
    code: str, outcome: str, landing: str
) -> None:
    """F54, and the dead-man: each of the agent's own clocks has its landing and its words."""
    told = faults.fault(code, "It stopped.", remedy="Look.")

    action = recorded(S.TRAINING, working(), run=ended(outcome, error=told))

    assert action.to == S.COLLECTING
    assert action.deployment == {"landing": landing, "error": told}


@pytest.mark.parametrize("landing", ["deadline", "budget", "failed", "silence"])
def test_a_machine_lost_in_a_landing_is_not_replaced(landing: str) -> None:
    why = faults.over_time("1")
    deployment = collecting(landing=landing, error=why)

    action = recorded(deployment, absent(working(), **LOST), run=ended("stopped"))

    assert action.to == S.TERMINATING
    assert action.deployment == {"outcome": S.FAILED, "error": why}


# Warnings before the budget is reached.


def spent(usd: str, *, budget: str = "10.00", **fields: Any) -> Any:
    """Return what is decided for a run in training that has cost so much; a second is a quantum."""
    seconds = float(Decimal(usd) / Decimal("1.20") * 3600)
    machine = working(requested_at=ago(seconds), billing_quantum_seconds=1)
    deployment = a_deployment(S.TRAINING, budget_limit=Decimal(budget), **fields)
    return decided(deployment, machine, run=a_run())


@pytest.mark.parametrize(
    ("usd", "warned", "told"),
    [
        ("8.00", 0, "budget_80"),
        ("9.40", 0, "budget_80"),
        ("9.50", 80, "budget_95"),
        ("9.50", 0, "budget_95"),
    ],
)
def test_F53_who_has_used_80_or_95_percent_of_the_budget_is_told(
    usd: str, warned: int, told: str
) -> None:
    action = spent(usd, budget_warned=warned)

    assert isinstance(action, Record)
    assert (action.kind, action.to) == (told, None)
    assert action.deployment == {"budget_warned": int(told[-2:])}
    assert f"${usd} of $10.00" in action.message


@pytest.mark.parametrize(("usd", "warned"), [("7.99", 0), ("9.49", 80), ("9.70", 95)])
def test_F53_nobody_is_told_early_or_twice(usd: str, warned: int) -> None:
    action = spent(usd, budget_warned=warned)

    assert not isinstance(action, Record)


def test_F53_the_end_of_the_budget_goes_before_any_warning() -> None:
    action = spent("9.95")

    assert isinstance(action, Record)
    assert (action.kind, action.to) == ("budget", S.COLLECTING)
