"""Whole lives in which a machine is lost and another one goes on from the last checkpoint home."""

from dataclasses import replace
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from deployments import checkpoints
from deployments.models import Checkpoint, Deployment, Metric
from deployments.models.deployments import Status
from deployments.providers.base import InstanceStatus
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World, statuses

S = Status
NEVER = 10**7
LONG = Plan(save_steps=2, exit_at=600)


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.TIMING = QUICK


def home_steps(deployment: Deployment) -> list[int]:
    return [row.step for row in checkpoints.at_home(deployment.job_id)]


def until_home(world: World, deployment: Deployment, *, step: int) -> int:
    """Work until a checkpoint of that step or a later one is home, and return its step."""
    world.until(deployment, lambda d: max(home_steps(d), default=0) >= step)
    return home_steps(deployment)[0]


def began_at(world: World) -> list[int]:
    """Return the step each machine's training began after."""
    return [m.agent.from_step for m in world.cloud.machines if m.agent is not None]


@pytest.mark.parametrize("how", ["vanished", "preempted", "silent"])
def test_F43_F48_F49_a_lost_machine_is_followed_by_one_that_goes_on(world: World, how: str) -> None:
    silent_from = 150 if how == "silent" else None
    world.cloud.plan = replace(LONG, falls_silent=silent_from)
    deployment = world.deploy()
    step = until_home(world, deployment, step=6)
    (machine,) = world.cloud.machines
    world.cloud.plan = LONG
    if how == "vanished":
        machine.end()
    if how == "preempted":
        machine.shown_as = InstanceStatus.PREEMPTED

    world.until(deployment)

    assert deployment.status == S.COMPLETED
    assert S.RECOVERING in statuses(deployment)
    first, second = began_at(world)
    assert (first, second) == (0, max(step, second))
    # I10: each step once, and those that were trained twice are the second machine's.
    machines = world.machines(deployment)
    steps = dict(Metric.objects.filter(name="train/loss").values_list("step", "machine__attempt"))
    assert sorted(steps) == list(range(1, max(steps) + 1))
    assert {attempt for at, attempt in steps.items() if at > second} == {2}
    started = machines[1].events.get(kind="agent_started")
    assert started.data["step"] == second
    check_end(world.cloud, deployment, exact=how == "vanished")


def test_F46_what_a_failed_machine_holds_comes_home_before_the_next_one_starts(
    world: World,
) -> None:
    error = {"code": "E_CUDA", "message": "Xid 79.", "remedy": "", "retryable": True}
    world.cloud.plan = Plan(save_steps=5, exit_at=77, outcome="failed", error=error)
    # Nothing of it is home when it fails.
    world.cloud.fail("download", *["cut"] * 1)
    deployment = world.until(world.deploy(), S.TRAINING)

    world.until(deployment, S.RECOVERING)
    world.cloud.plan = LONG
    world.until(deployment)

    assert began_at(world) == [0, 5]
    assert deployment.status == S.COMPLETED
    check_end(world.cloud, deployment, exact=True)


def test_a_machine_lost_before_anything_was_saved_starts_from_the_beginning(
    world: World,
) -> None:
    world.cloud.plan = LONG
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cloud.machines[0].end()

    world.until(deployment)

    assert deployment.status == S.COMPLETED
    assert began_at(world) == [0, 0]


def test_I11_a_checkpoint_that_was_harmed_at_home_is_passed_over(world: World) -> None:
    world.cloud.plan = LONG
    deployment = world.deploy()
    until_home(world, deployment, step=6)
    newest, older = checkpoints.at_home(deployment.job_id)
    world.cloud.machines[0].end()
    (checkpoints.folder_of(newest) / "optimizer.pt").write_bytes(b"harmed")

    world.until(deployment)

    assert began_at(world) == [0, older.step]
    assert deployment.status == S.COMPLETED


def test_a_machine_that_is_lost_again_goes_on_from_where_the_second_was(world: World) -> None:
    world.cloud.plan = LONG
    deployment = world.deploy(max_attempts=3)
    first = until_home(world, deployment, step=4)
    world.cloud.machines[0].end()
    world.until(deployment, lambda d: len(began_at(world)) == 2)
    second = until_home(world, deployment, step=first + 4)
    world.cloud.machines[1].end()

    world.until(deployment)

    assert deployment.status == S.COMPLETED
    begun = began_at(world)
    assert begun[0] == 0 < first <= begun[1] < second <= begun[2]
    check_end(world.cloud, deployment, exact=True)


def test_I6_recovering_stays_under_the_one_budget(world: World) -> None:
    world.cloud.plan = Plan(save_steps=2, exit_at=NEVER)
    deployment = world.deploy(budget_limit=Decimal("0.60"), max_attempts=9)
    for number in range(2):
        world.until(deployment, lambda d, n=number: len(began_at(world)) == n + 1)  # type: ignore[misc]
        world.work_for(60)
        world.cloud.machines[number].end()

    world.until(deployment)

    assert deployment.actual_cost is not None
    assert deployment.actual_cost <= Decimal("0.60")
    check_end(world.cloud, deployment, exact=True)


def test_checkpoints_come_home_in_a_life_without_trouble_and_the_newest_two_stay(
    world: World,
) -> None:
    world.cloud.plan = Plan(save_steps=1, exit_at=200)

    deployment = world.until(world.deploy())

    assert deployment.status == S.COMPLETED
    newest, older = checkpoints.at_home(deployment.job_id)
    assert newest.step > older.step
    assert all(map(checkpoints.is_whole, (newest, older)))
    assert Checkpoint.objects.filter(home_at__isnull=True).exists()
    check_end(world.cloud, deployment, exact=True)
