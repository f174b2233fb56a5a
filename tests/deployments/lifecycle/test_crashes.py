"""A worker that dies at any line: the rows alone lead on, nothing is rented twice (F19, F75)."""

from dataclasses import replace

import pytest
from pytest_django.fixtures import Settings

from deployments import checkpoints
from deployments.models import Artifact
from deployments.models.deployments import LaunchState, Status
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.tripwire import Tripwire, When
from tests.deployments.virtual.world import QUICK, World

S = Status
# What a launch passes, from the deployment accepted to the machine booting. "write" is within
# "renew" too: the lease is renewed by a write.
LAUNCH = (
    "take",
    "write",
    "offers",
    "ensure_ssh_key",
    "renew",
    "write",
    "write",
    "launch",
    "write",
    "release",
)


@pytest.fixture
def tripwire(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Tripwire:
    # A dead worker's lease runs for 50 s each time; the limits must leave room for that.
    settings.TIMING = replace(QUICK, boot_limit_seconds=3600, ssh_limit_seconds=3600)
    return Tripwire(monkeypatch)


def test_these_are_all_boundaries_of_a_launch(tripwire: Tripwire, world: World) -> None:
    world.deploy()

    world.step()

    assert tuple(tripwire.passed[: len(LAUNCH)]) == LAUNCH
    assert tripwire.passed[len(LAUNCH) :] == ["list_all", "list_all"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "number", range(len(LAUNCH)), ids=lambda number: f"{number}-{LAUNCH[number]}"
)
def test_D1_D2_F17_F19_a_death_anywhere_in_a_launch_leaves_one_machine_at_most(
    tripwire: Tripwire, world: World, number: int, when: When
) -> None:
    tripwire.die_at(number, when)

    deployment = world.until(world.deploy(), S.BOOTING)

    assert tripwire.deaths == world.kills == 1
    assert len(world.cloud.machines) == 1
    states = [machine.launch_state for machine in world.machines(deployment)]
    assert states in ([LaunchState.LAUNCHED], [LaunchState.NEVER_SEEN, LaunchState.LAUNCHED])
    called = number > LAUNCH.index("launch") or (LAUNCH[number], when) == ("launch", "after")
    if called:
        # What was started before the death is adopted, not left behind.
        assert states == [LaunchState.LAUNCHED]


@pytest.mark.parametrize("when", ["before", "after"])
def test_F63_F75_a_life_in_which_the_worker_dies_everywhere_is_completed_all_the_same(
    tripwire: Tripwire, world: World, when: When
) -> None:
    tripwire.die_everywhere_once(when)

    deployment = world.until(world.deploy(wait_for_capacity_minutes=600), hours=24)

    assert deployment.status == S.COMPLETED
    assert world.kills == tripwire.deaths > 40
    assert len(world.cloud.machines) == 1
    assert len(world.cloud.agents_started) == 1
    assert Artifact.objects.count() == 1
    check_end(world.cloud, deployment)


@pytest.mark.parametrize("when", ["before", "after"])
def test_F24_F75_a_stop_is_carried_out_by_workers_that_die_everywhere(
    tripwire: Tripwire, world: World, when: When
) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    tripwire.die_everywhere_once(when)

    world.cancel(deployment)
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    check_end(world.cloud, deployment)


@pytest.mark.full
@pytest.mark.parametrize("when", ["before", "after"])
def test_F51_F75_checkpoints_come_home_through_workers_that_die_everywhere(
    tripwire: Tripwire, world: World, when: When
) -> None:
    world.cloud.plan = Plan(save_steps=2, exit_at=1200)
    deployment = world.until(world.deploy(), S.TRAINING)
    tripwire.die_everywhere_once(when)

    world.until(deployment, hours=24)

    assert deployment.status == S.COMPLETED
    assert {"pack", "clean_up"} <= set(tripwire.passed)
    home = list(checkpoints.at_home(deployment.job_id))
    assert len(home) == checkpoints.KEPT_AT_HOME
    assert all(checkpoints.is_whole(each) for each in home)
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment)
