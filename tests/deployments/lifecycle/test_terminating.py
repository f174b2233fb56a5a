"""Terminating: asked for ever, and no answer is proof (D3, F63 to F67)."""

import pytest

from deployments.lifecycle import terminating
from deployments.models import CloudSnapshot, Machine
from deployments.models.deployments import Status
from deployments.timing import Timing
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.cloud import Killed
from tests.deployments.virtual.world import World

TIMING = Timing()


def wait_of(world: World, machine: Machine) -> float:
    """Return in how many seconds the request is repeated."""
    machine.refresh_from_db()
    assert machine.next_terminate_at is not None
    return (machine.next_terminate_at - world.clock.now).total_seconds()


def test_F65_an_accepted_request_is_repeated_each_minute_while_the_machine_shows(
    world: World,
) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.TERMINATING)

    terminating.terminate(leased(deployment), machine)

    assert wait_of(world, machine) == 60
    assert machine.terminate_accepted_at == world.clock.now
    assert not at_cloud.lives()
    assert machine.gone_at is None
    assert events(deployment) == ["terminate_requested", "terminate_accepted"]


def test_the_story_tells_the_first_request_and_the_first_acceptance_only(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.TERMINATING)
    for _ in range(3):
        terminating.terminate(leased(deployment), machine)
        machine.refresh_from_db()

    assert events(deployment) == ["terminate_requested", "terminate_accepted"]
    assert machine.terminate_tries == 3


def test_F64_failures_are_repeated_from_five_seconds_to_five_minutes_apart(world: World) -> None:
    world.cloud.call_seconds = 0
    deployment, machine, _ = with_machine(world, Status.TERMINATING)
    world.cloud.fail("terminate", *["error"] * 40)
    waits = []
    for _ in range(40):
        terminating.terminate(leased(deployment), machine)
        waits.append(wait_of(world, machine))

    assert waits[:8] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert set(waits[7:]) == {300}
    assert machine.terminate_tries == 40
    assert world.cloud.calls == [("terminate", "error")] * 40


@pytest.mark.parametrize("fault", ["error", "auth"])
def test_F64_a_failure_is_told_and_raises_nothing(world: World, fault: str) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.TERMINATING)
    world.cloud.fail("terminate", fault)

    delay = terminating.terminate(leased(deployment), machine)

    machine.refresh_from_db()
    assert delay == TIMING.terminate_retry_seconds
    assert machine.terminate_accepted_at is None
    assert events(deployment)[-1] == "terminate_failed"
    assert at_cloud.lives()


def test_F63_the_try_is_counted_before_the_call(world: World) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.TERMINATING)
    world.cloud.fail("terminate", "killed_after")

    with pytest.raises(Killed):
        terminating.terminate(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.terminate_tries == 1
    assert machine.terminate_requested_at is not None
    assert not at_cloud.lives()


def test_F66_a_machine_that_the_cloud_does_not_know_is_no_error_and_no_proof(
    world: World,
) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.TERMINATING)
    at_cloud.end()

    terminating.terminate(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.gone_at is None


def test_after_the_request_the_account_is_listed_at_once(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.TERMINATING)
    CloudSnapshot.objects.update(next_list_at=world.clock.in_seconds(60))

    terminating.terminate(leased(deployment), machine)

    assert CloudSnapshot.objects.get().next_list_at == world.clock.now
