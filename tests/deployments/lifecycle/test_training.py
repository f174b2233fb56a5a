"""Training: the run log is read on from where it was left, wishes are passed on (F43, I10)."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from deployments import history
from deployments.lifecycle import training
from deployments.models import Deployment, Machine, Metric, RunState
from deployments.models.deployments import Status
from deployments.remote import RemoteError
from deployments.timing import Timing
from deployments.training.job_file import run_folder
from tests import builders
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.agent import Agent, Plan
from tests.deployments.virtual.cloud import VirtualMachine
from tests.deployments.virtual.remote import VirtualRemote
from tests.deployments.virtual.renting import listed
from tests.deployments.virtual.world import World

TIMING = Timing()
Rented = tuple[Deployment, Machine, VirtualMachine]


def running(world: World, status: Status = Status.TRAINING, **plan: object) -> Rented:
    """Return a machine whose agent has just been started."""
    deployment, machine, at_cloud = with_machine(world, status, agent_started_at=world.clock.now)
    world.cloud.call_seconds = 0
    at_cloud.agent = Agent(Plan(**plan), world.clock.now)  # type: ignore[arg-type]
    return deployment, machine, at_cloud


def followed(world: World, deployment: Deployment, machine: Machine, *, after: float) -> RunState:
    """Let time pass, list the account, follow the run once, and return what is known then."""
    listed(world, deployment, after=after)
    training.follow(leased(deployment), machine)
    return RunState.objects.get(machine=machine)


def test_news_are_taken_and_the_next_look_is_a_poll_away(world: World) -> None:
    deployment, machine, _ = running(world)
    world.clock.advance(31)

    assert training.follow(leased(deployment), machine) == TIMING.poll_seconds

    run = RunState.objects.get()
    assert (run.phase, run.step) == ("train", 2)
    assert run.looked_at == world.clock.now


def test_each_look_reads_on_where_the_last_one_ended(world: World) -> None:
    deployment, machine, _ = running(world)
    offsets = [followed(world, deployment, machine, after=20).log_offset for _ in range(4)]

    assert offsets == sorted(set(offsets))
    assert list(Metric.objects.values_list("step", flat=True)) == [1, 2, 3, 4, 5]


def test_F40_a_look_that_starts_over_takes_nothing_twice(world: World) -> None:
    deployment, machine, _ = running(world)
    before = followed(world, deployment, machine, after=40)
    RunState.objects.update(log_offset=0)

    after = followed(world, deployment, machine, after=0)

    assert after.accepted_through == before.accepted_through
    assert after.log_offset == before.log_offset


def test_a_log_longer_than_one_chunk_is_read_to_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHUNK_BYTES", 100)
    deployment, machine, _ = running(world)

    assert followed(world, deployment, machine, after=90).exit is not None


def test_a_log_that_is_not_there_yet_is_no_failure(world: World) -> None:
    deployment, machine, at_cloud = running(world)
    at_cloud.agent = None

    assert followed(world, deployment, machine, after=10).looked_at == world.clock.now


def test_nothing_more_is_read_than_a_slice_allows(world: World, settings: Settings) -> None:
    settings.TIMING = Timing(slice_seconds=0)
    deployment, machine, _ = running(world)

    assert followed(world, deployment, machine, after=90).log_offset == 0


# Wishes.


def test_a_landing_tells_the_agent_to_stop(world: World) -> None:
    deployment, machine, at_cloud = running(world, Status.COLLECTING)

    followed(world, deployment, machine, after=0)

    assert f"{run_folder(machine.name)}/control/stop" in at_cloud.files


def test_training_that_may_go_on_is_not_told_to_stop(world: World) -> None:
    deployment, machine, at_cloud = running(world)

    followed(world, deployment, machine, after=0)

    assert f"{run_folder(machine.name)}/control/stop" not in at_cloud.files


def test_each_look_leaves_its_trace_for_the_machines_own_clock(world: World) -> None:
    """The dead-man: a machine that sees none for long stops its run."""
    deployment, machine, at_cloud = running(world)
    followed(world, deployment, machine, after=10)
    seen = at_cloud.files.pop(f"{run_folder(machine.name)}/control/seen")

    followed(world, deployment, machine, after=10)

    assert at_cloud.files[f"{run_folder(machine.name)}/control/seen"] == seen


def test_F35_a_machine_whose_disk_is_full_is_read_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise RemoteError("The machine cannot keep it.", remedy="")

    monkeypatch.setattr(VirtualRemote, "write", full)
    deployment, machine, _ = running(world)

    assert followed(world, deployment, machine, after=31).step == 2


def test_a_wish_to_save_is_passed_on_once(world: World) -> None:
    deployment, machine, at_cloud = running(world)
    Deployment.objects.filter(pk=deployment.pk).update(save_asked_at=world.clock.now)

    followed(world, deployment, machine, after=0)
    told = f"{run_folder(machine.name)}/control/save" in at_cloud.files
    at_cloud.files.clear()
    followed(world, deployment, machine, after=0)

    assert told
    assert f"{run_folder(machine.name)}/control/save" not in at_cloud.files
    deployment.refresh_from_db()
    assert deployment.save_asked_at is None


def test_a_landing_passes_no_wish_to_save_on(world: World) -> None:
    deployment, machine, at_cloud = running(world, Status.COLLECTING)
    Deployment.objects.filter(pk=deployment.pk).update(save_asked_at=world.clock.now)

    followed(world, deployment, machine, after=0)

    assert f"{run_folder(machine.name)}/control/save" not in at_cloud.files


def test_what_the_agent_asks_for_is_brought_and_no_longer_asked_for(world: World) -> None:
    deployment, machine, at_cloud = running(world)
    RunState.objects.create(machine=machine, requests=["dataset", "base_model"])

    run = followed(world, deployment, machine, after=0)

    assert run.requests == []
    assert f"{run_folder(machine.name)}/data/dataset.jsonl" in at_cloud.files


def test_what_could_not_be_brought_in_this_slice_is_still_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, machine, _ = running(world)
    RunState.objects.create(machine=machine, requests=["dataset", "base_model"])
    monkeypatch.setitem(training.BRING, "dataset", lambda *args, **kwargs: False)

    assert followed(world, deployment, machine, after=0).requests == ["dataset"]


# Silence.


def test_F43_silence_is_the_time_between_looks_without_news(world: World) -> None:
    deployment, machine, _ = running(world, falls_silent=20, exit_at=10_000)
    silence = [followed(world, deployment, machine, after=10).silent_seconds for _ in range(6)]

    assert silence == [0, 0, 10, 20, 30, 40]


def test_F43_a_machine_that_does_not_answer_is_silent_too(world: World) -> None:
    deployment, machine, _ = running(world)
    followed(world, deployment, machine, after=10)
    world.cloud.fail("ssh", *["unreachable"] * 3)

    silence = [followed(world, deployment, machine, after=10).silent_seconds for _ in range(3)]

    assert silence == [10, 20, 30]


def test_F43_any_news_end_the_silence(world: World) -> None:
    deployment, machine, _ = running(world)
    followed(world, deployment, machine, after=10)
    world.cloud.fail("ssh", "unreachable", "unreachable")
    for _ in range(2):
        followed(world, deployment, machine, after=10)

    assert followed(world, deployment, machine, after=10).silent_seconds == 0


def test_F43_a_control_plane_that_slept_blames_nobody(world: World) -> None:
    deployment, machine, _ = running(world, falls_silent=20, exit_at=100_000)
    followed(world, deployment, machine, after=30)
    followed(world, deployment, machine, after=10)

    run = followed(world, deployment, machine, after=8 * 3600)

    assert run.silent_seconds <= 10 + 3 * TIMING.poll_seconds


@pytest.mark.parametrize("list_fault", ["error", "empty"])
def test_F58_while_the_cloud_does_not_show_the_machine_silence_does_not_grow(
    world: World, list_fault: str
) -> None:
    deployment, machine, _ = running(world)
    followed(world, deployment, machine, after=10)
    world.cloud.fail("ssh", *["unreachable"] * 60)
    world.cloud.fail("list", *[list_fault] * 60)
    for _ in range(60):
        run = followed(world, deployment, machine, after=10)

    assert run.silent_seconds <= 3 * TIMING.poll_seconds


# An agent that is no more.


def silent_for(world: World, rented: Rented, *, looks: int) -> Machine:
    """Let that many looks in a row find nothing new on a machine that lets us in."""
    deployment, machine, _ = rented
    for _ in range(looks):
        followed(world, deployment, machine, after=10)
    machine.refresh_from_db()
    return machine


def test_F52_a_machine_that_was_rebooted_is_a_lost_run_that_may_be_tried_again(
    world: World,
) -> None:
    rented = running(world, falls_silent=20, exit_at=10_000)
    world.cloud.fail("start", "rebooted")

    machine = silent_for(world, rented, looks=9)

    assert machine.fault is not None
    assert (machine.fault["code"], machine.fault["retryable"]) == ("E_MACHINE_REBOOTED", True)
    assert events(rented[0])[-1] == "agent_lost"


def test_F52_an_agent_that_died_twice_is_given_up(world: World) -> None:
    rented = running(world, falls_silent=20, exit_at=10_000)
    world.cloud.fail("start", "fails")

    machine = silent_for(world, rented, looks=9)

    assert machine.fault is not None
    assert (machine.fault["code"], machine.fault["retryable"]) == ("E_AGENT", False)
    assert "twice" in machine.fault["message"]


@pytest.mark.parametrize("answer", ["ok", "unknown"])
def test_F52_an_agent_that_lives_or_could_not_be_asked_is_no_fault(
    world: World, answer: str
) -> None:
    rented = running(world, falls_silent=20, exit_at=10_000)
    world.cloud.fail("start", answer)

    assert silent_for(world, rented, looks=9).fault is None


def test_F52_a_machine_that_tells_news_is_not_asked(world: World) -> None:
    rented = running(world)
    world.cloud.fail("start", "rebooted")

    assert silent_for(world, rented, looks=7).fault is None


def test_F44_a_standstill_is_the_time_between_looks_with_news_and_without_a_step(
    world: World,
) -> None:
    deployment, machine, _ = running(world, stalls=40, exit_at=100_000)
    stood = [followed(world, deployment, machine, after=15).stalled_seconds for _ in range(6)]

    assert stood == [0, 0, 15, 30, 45, 60]


def test_F44_a_control_plane_that_slept_finds_no_standstill(world: World) -> None:
    deployment, machine, _ = running(world, stalls=40, exit_at=100_000)
    followed(world, deployment, machine, after=60)
    followed(world, deployment, machine, after=15)

    run = followed(world, deployment, machine, after=8 * 3600)

    assert run.stalled_seconds <= 15 + 3 * TIMING.poll_seconds


def test_F44_the_usual_step_is_the_median_of_what_looks_have_told(world: World) -> None:
    machine = builders.make_machine()
    for step, minute in ((1, 0), (2, 0), (4, 2), (5, 3), (6, 13)):
        at = builders.NOON + timedelta(minutes=minute)
        builders.make_metric(machine, step=step, at=at)

    assert history.median_step_seconds(machine.pk) == 60


def test_F44_without_two_looks_there_is_no_usual_step(world: World) -> None:
    machine = builders.make_machine()
    builders.make_metric(machine)

    assert history.median_step_seconds(machine.pk) is None
