"""Checkpoints come home while the run goes on: bounded slices, and nothing is trusted (T3, F62)."""

import shutil
import tarfile
from collections import namedtuple
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from deployments import checkpoints
from deployments.lifecycle import fetching, training
from deployments.lifecycle.lease import FETCH
from deployments.models import Checkpoint, Deployment, Machine
from deployments.models.deployments import Desired, Status
from deployments.timing import Timing
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.agent import Agent, Plan, checkpoint_files, safetensors
from tests.deployments.virtual.cloud import VirtualMachine
from tests.deployments.virtual.remote import VirtualRemote
from tests.deployments.virtual.world import World

TIMING = Timing()
Rented = tuple[Deployment, Machine, VirtualMachine]
Usage = namedtuple("Usage", "total used free")
# A step is trained, and here also saved, each 15 s.
STEP_SECONDS = 15


def saving(world: World, *, steps: int = 1) -> Rented:
    """Return a machine that has saved so many checkpoints, all of them told."""
    deployment, machine, at_cloud = with_machine(
        world, Status.TRAINING, agent_started_at=world.clock.now
    )
    world.cloud.call_seconds = 0
    at_cloud.agent = Agent(Plan(save_steps=1, exit_at=10_000), world.clock.now)
    look(world, deployment, machine, after=steps * STEP_SECONDS + 1)
    return deployment, machine, at_cloud


def look(world: World, deployment: Deployment, machine: Machine, *, after: float) -> float:
    world.clock.advance(after)
    return training.follow(leased(deployment), machine)


def fetched(deployment: Deployment, machine: Machine) -> Checkpoint | None:
    """Give one slice to the checkpoint that waits, and return it as it is then."""
    waiting = checkpoints.waiting(machine)
    fetching.fetch(leased(deployment), machine)
    return waiting and Checkpoint.objects.get(pk=waiting.pk)


def retell(step: int, change: Callable[[dict[str, Any]], Any]) -> None:
    """Let the machine have told other files of this checkpoint."""
    row = Checkpoint.objects.get(step=step)
    files = {file["name"]: file for file in row.files}
    change(files)
    Checkpoint.objects.filter(pk=row.pk).update(files=list(files.values()))


def home(deployment: Deployment) -> list[str]:
    """Return the names of everything that lies at home, a level below the machine's folder."""
    folder = Path(checkpoints.folder_of(Checkpoint.objects.filter(job=deployment.job)[0])).parents[
        1
    ]
    return sorted(path.name for path in folder.glob("*/*"))


def test_a_checkpoint_that_was_told_comes_home_whole_with_an_archive_of_its_adapter(
    world: World, settings: Settings
) -> None:
    deployment, machine, _ = saving(world)

    row = fetched(deployment, machine)

    assert row is not None
    assert row.home_at == world.clock.now
    assert checkpoints.is_whole(row)
    assert {
        f"checkpoint-1/{path.name}": path.read_bytes()
        for path in checkpoints.folder_of(row).iterdir()
    } == checkpoint_files(1)
    archive = settings.SLIPWAY_DATA_DIR / row.home_path
    assert row.home_sha256 == sha256(archive.read_bytes()).hexdigest()
    assert row.home_size_bytes == archive.stat().st_size
    with tarfile.open(archive) as packed:
        assert packed.getnames() == [
            "checkpoint-1/adapter_config.json",
            "checkpoint-1/adapter_model.safetensors",
            "checkpoint-1/trainer_state.json",
        ]
    assert events(deployment)[-1] == "checkpoint_home"
    assert checkpoints.waiting(machine) is None


def test_a_look_makes_room_for_a_checkpoint_that_waits_and_only_then(world: World) -> None:
    deployment, machine, _ = saving(world)

    waits = look(world, deployment, machine, after=0)
    fetched(deployment, machine)

    assert waits == 0
    assert look(world, deployment, machine, after=0) == TIMING.poll_seconds


def test_what_a_cut_leaves_is_gone_on_with(world: World) -> None:
    deployment, machine, _ = saving(world)
    world.cloud.fail("download", "ok", "ok", "cut")

    row = fetched(deployment, machine)
    assert row is not None
    assert row.home_at is None
    before = len(world.cloud.calls)
    row = fetched(deployment, machine)

    assert row is not None
    assert row.home_at is not None
    downloads = [call for call in world.cloud.calls[before:] if call[0] == "download"]
    assert len(downloads) == len(checkpoint_files(1)) - 2


def test_the_newest_comes_first_but_one_that_was_begun_is_finished(world: World) -> None:
    deployment, machine, at_cloud = saving(world, steps=2)
    world.cloud.fail("download", "cut")
    fetched(deployment, machine)
    # Meanwhile it is replaced twice over; the machine keeps it for us.
    look(world, deployment, machine, after=3 * STEP_SECONDS)
    assert at_cloud.agent is not None
    assert at_cloud.agent.held == "checkpoint-2"

    came = [fetched(deployment, machine) for _ in range(3)]

    assert [row and row.step for row in came] == [2, 5, None]
    assert [row.step for row in checkpoints.at_home(deployment.job_id)] == [5, 2]


def test_the_newest_two_are_kept_at_home(world: World) -> None:
    deployment, machine, _ = saving(world)
    for _ in range(3):
        fetched(deployment, machine)
        look(world, deployment, machine, after=STEP_SECONDS)

    assert [row.step for row in checkpoints.at_home(deployment.job_id)] == [3, 2]
    assert home(deployment) == [
        "checkpoint-2",
        "checkpoint-2.tar.gz",
        "checkpoint-3",
        "checkpoint-3.tar.gz",
    ]
    dropped = Checkpoint.objects.get(step=1)
    assert (dropped.home_at, dropped.home_path) == (None, "")
    assert dropped.left_because == checkpoints.REPLACED


FILE: dict[str, Any] = {"size": 2, "sha256": "0" * 64}
HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a way out": lambda files: files.update(x={**FILE, "name": "checkpoint-1/../../evil.json"}),
    "another folder": lambda files: files.update(x={**FILE, "name": "checkpoint-9/a.json"}),
    "an absolute path": lambda files: files.update(x={**FILE, "name": "/etc/passwd"}),
    "a hidden file": lambda files: files.update(x={**FILE, "name": "checkpoint-1/.bashrc"}),
    "a program": lambda files: files.update(x={**FILE, "name": "checkpoint-1/run.sh"}),
    "another pickle": lambda files: files.update(x={**FILE, "name": "checkpoint-1/model.pt"}),
    "no name": lambda files: files.update(x={**FILE, "name": ""}),
    "a name twice": lambda files: files.update(x={**FILE, "name": "checkpoint-1/optimizer.pt"}),
    "too much": lambda files: files["checkpoint-1/optimizer.pt"].update(size=10**13),
    "too many": lambda files: files.update(
        {f"x{n}": {**FILE, "name": f"checkpoint-1/{n}.json"} for n in range(100)}
    ),
    "no weights": lambda files: files.pop("checkpoint-1/adapter_model.safetensors"),
    "nothing": lambda files: files.clear(),
}


@pytest.mark.parametrize("list_", HOSTILE)
def test_F62_a_list_that_is_not_a_checkpoints_brings_nothing(world: World, list_: str) -> None:
    deployment, machine, _ = saving(world)
    retell(1, HOSTILE[list_])

    row = fetched(deployment, machine)

    assert row is not None
    assert row.home_at is None
    assert row.left_because
    assert not [call for call in world.cloud.calls if call[0] == "download"]
    assert home(deployment) == []
    assert events(deployment)[-1] == "checkpoint_left"
    assert checkpoints.waiting(machine) is None


LIES: dict[str, dict[str, bytes]] = {
    "other bytes": {"optimizer.pt": b"another pickle!!"},
    "bytes that are missing": {"optimizer.pt": b""},
    "weights that are none": {"adapter_model.safetensors": b"no safetensors"},
}


@pytest.mark.parametrize("lie", LIES)
def test_T3_a_machine_that_gives_other_files_than_it_told_brings_nothing(
    world: World, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, machine, _ = saving(world)
    real = VirtualRemote.download

    def download(self: VirtualRemote, remote: str, local: Path, **kwargs: Any) -> bool:
        given = LIES[lie].get(Path(remote).name)
        if given is None:
            return real(self, remote, local, **kwargs)
        local.write_bytes(given)
        return True

    monkeypatch.setattr(VirtualRemote, "download", download)

    row = fetched(deployment, machine)

    assert row is not None
    assert row.home_at is None
    assert row.left_because
    assert home(deployment) == []


def test_weights_that_hold_none_are_left_although_their_sum_is_right(world: World) -> None:
    deployment, machine, at_cloud = saving(world)
    name, content = "checkpoint-1/adapter_model.safetensors", safetensors(b"")[:20]
    folder = f"slipway/{machine.name}/output"
    assert at_cloud.agent is not None
    at_cloud.files |= {
        f"{folder}/{n}": c for n, c in {**checkpoint_files(1), name: content}.items()
    }
    at_cloud.agent.plan.save_steps = None
    retell(1, lambda files: files[name].update(size=20, sha256=sha256(content).hexdigest()))

    row = fetched(deployment, machine)

    assert row is not None
    assert row.home_at is None
    assert "safetensors" in row.left_because


def test_F61_a_full_disk_at_home_leaves_it_and_the_next_one_is_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, machine, _ = saving(world)
    room = fetching.LEFT_FREE_BYTES

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: Usage(room * 2, room, room))
        row = fetched(deployment, machine)
    look(world, deployment, machine, after=STEP_SECONDS)

    assert row is not None
    assert row.home_at is None
    assert "Slipway's disk" in row.left_because
    deployment.refresh_from_db()
    assert (deployment.failed_ticks, deployment.attention) == (0, None)
    waiting = checkpoints.waiting(machine)
    assert waiting is not None
    assert waiting.step == 2


def test_F61_a_disk_that_fills_up_on_the_way_leaves_it_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, machine, _ = saving(world)

    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VirtualRemote, "download", full)

    row = fetched(deployment, machine)

    assert row is not None
    assert row.home_at is None
    assert "No space left" in row.left_because
    assert home(deployment) == []


def test_a_machine_out_of_reach_costs_a_slice_and_nothing_else(world: World) -> None:
    deployment, machine, _ = saving(world)
    world.cloud.fail("ssh", "unreachable")

    row = fetched(deployment, machine)

    assert row is not None
    assert (row.home_at, row.left_because) == (None, "")
    assert row.fetch_tried_at == world.clock.now


def test_a_step_that_is_saved_again_is_brought_anew(world: World) -> None:
    deployment, machine, _ = saving(world)
    world.cloud.fail("download", "ok", "cut")
    fetched(deployment, machine)
    # The agent was started again and has saved the step once more, with other weights.
    row = Checkpoint.objects.get()
    part = checkpoints.folder_of(row) / "adapter_model.safetensors"
    part.write_bytes(b"what was saved before")
    Checkpoint.objects.filter(pk=row.pk).update(fetch_tried_at=None)

    again = fetched(deployment, machine)

    assert again is not None
    assert again.home_at is not None
    assert checkpoints.is_whole(again)


def test_only_some_of_the_ssh_processes_fetch_at_once(world: World) -> None:
    deployment, machine, _ = saving(world)
    for _ in range(fetching.AT_ONCE):
        world.deploy(lease_purpose=FETCH, lease_until=world.clock.in_seconds(30))

    row = fetched(deployment, machine)

    assert row is not None
    assert row.home_at is None
    assert row.fetch_tried_at == world.clock.now


@pytest.mark.parametrize("save", [True, False])
def test_F24_a_stop_need_not_wait_for_a_checkpoint_on_its_way(world: World, *, save: bool) -> None:
    deployment, _, _ = saving(world)
    fetching_now = leased(deployment)
    fetching_now.renew(purpose=FETCH, seconds=50)
    Deployment.objects.filter(pk=deployment.pk).update(desired=Desired.STOP, save_wanted=save)

    taken = fetching_now.take(deployment.pk, purpose="tick", seconds=50)

    assert taken is not None
    assert taken.version > fetching_now.version
