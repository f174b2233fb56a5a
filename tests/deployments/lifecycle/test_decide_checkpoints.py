"""When a checkpoint is brought home, and what a fault of the machine leads to then (F46, F49)."""

import pytest

from deployments.lifecycle.actions import Effect
from deployments.models import Checkpoint
from deployments.models.deployments import Desired, Status
from tests.deployments.lifecycle.situations import (
    TIMING,
    a_deployment,
    a_run,
    ago,
    decided,
    ended,
    gone,
    performs,
    recorded,
    rests,
    working,
)

S = Status
HARDWARE = {"code": "E_CUDA", "message": "Xid 79.", "remedy": "", "retryable": True}


def waiting(*, tried: float | None = None) -> Checkpoint:
    """Return a checkpoint that waits on the machine; its last slice was so many seconds ago."""
    return Checkpoint(step=40, fetch_tried_at=None if tried is None else ago(tried))


def test_after_a_look_a_checkpoint_that_waits_gets_a_slice() -> None:
    run = a_run(looked_at=ago(1))

    action = decided(S.TRAINING, working(), run=run, checkpoint=waiting(tried=11))

    assert performs(action, Effect.FETCH)
    assert Effect.FETCH.may_block


def test_after_its_slice_the_machine_is_looked_at_first() -> None:
    due, early = a_run(looked_at=ago(12)), a_run(looked_at=ago(4))

    looked = decided(S.TRAINING, working(), run=due, checkpoint=waiting(tried=1))
    waits = decided(S.TRAINING, working(), run=early, checkpoint=waiting(tried=1))

    assert performs(looked, Effect.FOLLOW)
    assert rests(waits) == TIMING.poll_seconds - 4


def test_nothing_is_brought_before_the_first_look() -> None:
    run = a_run(looked_at=None)

    action = decided(S.TRAINING, working(), run=run, checkpoint=waiting())

    assert performs(action, Effect.FOLLOW)


@pytest.mark.parametrize("wanted", ["stop", "budget", "deadline"])
def test_F53_F54_a_landing_comes_before_a_checkpoint(wanted: str) -> None:
    deployment = a_deployment(S.TRAINING)
    machine = working()
    if wanted == "stop":
        deployment.desired = Desired.STOP
    if wanted == "budget":
        deployment.budget_limit = machine.hourly_price / 100
    if wanted == "deadline":
        machine.requested_at = ago(25 * 3600)

    record = recorded(deployment, machine, run=a_run(looked_at=ago(1)), checkpoint=waiting())

    assert record.to == S.COLLECTING


def test_a_lost_machine_is_not_asked_for_a_checkpoint() -> None:
    lost = working(fault={"code": "E_SILENT", "message": "", "remedy": "", "retryable": True})

    record = recorded(S.TRAINING, lost, run=a_run(looked_at=ago(1)), checkpoint=waiting())

    assert record.to == S.RECOVERING


@pytest.mark.parametrize("has_adapter", [True, False])
def test_F46_a_fault_of_the_hardware_is_tried_on_a_fresh_machine(*, has_adapter: bool) -> None:
    run = ended("failed", has_adapter=has_adapter, error=HARDWARE)

    assert recorded(S.TRAINING, working(), run=run).to == S.RECOVERING


def test_F46_what_the_bad_machine_still_holds_is_brought_home_first() -> None:
    run = ended("failed", error=HARDWARE, news_at=ago(5))

    action = decided(S.TRAINING, working(), run=run, checkpoint=waiting(tried=1))

    assert performs(action, Effect.FETCH)


def test_F46_but_no_longer_than_a_landing_may_take() -> None:
    run = ended("failed", error=HARDWARE, news_at=ago(TIMING.collect_seconds + 1))

    record = recorded(S.TRAINING, working(), run=run, checkpoint=waiting(tried=1))

    assert record.to == S.RECOVERING


def test_F46_without_another_try_the_adapter_of_its_last_checkpoint_comes_home() -> None:
    deployment = a_deployment(S.TRAINING, max_attempts=1)
    run = ended("failed", error=HARDWARE)

    record = recorded(deployment, working(), run=run, checkpoint=waiting())

    assert record.to == S.COLLECTING
    assert record.deployment["landing"] == "failed"


def test_F46_a_fault_of_the_software_is_not_tried_again() -> None:
    run = ended("failed", error={**HARDWARE, "code": "E_OOM", "retryable": False})

    assert recorded(S.TRAINING, working(), run=run).to == S.COLLECTING


def test_F54_the_second_machine_has_what_is_left_of_the_hours() -> None:
    first = gone(working(requested_at=ago(24 * 3600 + 1)))
    second = working(attempt=2, requested_at=ago(600))

    record = recorded(S.TRAINING, first, second, run=a_run())

    assert record.to == S.COLLECTING
    assert record.deployment["landing"] == "deadline"
