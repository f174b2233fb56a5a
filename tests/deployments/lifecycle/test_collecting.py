"""Collecting: an adapter is home only once it was read back and matches (F59 to F63, I11)."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from django.conf import settings

from core.errors import SlipwayError
from deployments.archives import artifact_folder
from deployments.lifecycle import collecting
from deployments.models import Artifact, Deployment, Machine
from deployments.models.deployments import Status
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.agent import Agent, Plan, adapter_files, manifest, safetensors
from tests.deployments.virtual.cloud import Killed
from tests.deployments.virtual.remote import VirtualRemote
from tests.deployments.virtual.world import World

WEIGHTS = "adapter/adapter_model.safetensors"


class Finished(NamedTuple):
    """A machine whose run is over and left these files."""

    world: World
    deployment: Deployment
    machine: Machine

    def collect(self) -> None:
        collecting.collect(leased(self.deployment), self.machine)

    def fault_code(self) -> str | None:
        self.machine.refresh_from_db()
        return self.machine.fault["code"] if self.machine.fault else None


Leave = Callable[..., Finished]


@pytest.fixture
def leave(world: World) -> Leave:
    """Return a function that makes a machine whose run left these files."""

    def finished(files: dict[str, bytes] | None = None, **more: bytes) -> Finished:
        deployment, machine, at_cloud = with_machine(world, Status.COLLECTING)
        plan = Plan(exit_at=0, files=adapter_files() if files is None else files)
        at_cloud.agent = Agent(plan, world.clock.now)
        at_cloud.files.update(more)
        return Finished(world, deployment, machine)

    return finished


def leave_with_manifest(leave: Leave, monkeypatch: pytest.MonkeyPatch, content: bytes) -> Finished:
    """Leave a sound adapter, and this as its manifest."""
    monkeypatch.setattr("tests.deployments.virtual.agent.manifest", lambda files: content)
    return leave()


def archive_of(artifact: Artifact) -> dict[str, bytes]:
    path: Path = settings.SLIPWAY_DATA_DIR / artifact.path
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        assert all(member.isreg() for member in members)
        return {m.name: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]


def test_I11_an_adapter_is_home_with_every_file_checked(leave: Leave) -> None:
    run = leave()

    run.collect()

    artifact = Artifact.objects.get()
    packed = (settings.SLIPWAY_DATA_DIR / artifact.path).read_bytes()
    assert hashlib.sha256(packed).hexdigest() == artifact.sha256
    assert len(packed) == artifact.size_bytes
    assert archive_of(artifact) == adapter_files()
    assert {each["name"] for each in artifact.files} == adapter_files().keys()
    assert events(run.deployment) == ["adapter_home"]


def test_F63_collecting_again_after_a_crash_gives_the_same_bytes_and_one_artifact(
    leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = leave()

    def killed(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(collecting, "_record", killed)
        with pytest.raises(Killed):
            run.collect()
    folder = artifact_folder(run.machine)
    first = (folder / "adapter.tar.gz").read_bytes()
    run.collect()

    assert (folder / "adapter.tar.gz").read_bytes() == first
    assert Artifact.objects.count() == 1


def test_F60_a_download_goes_on_where_the_last_slice_ended(
    leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = leave({WEIGHTS: safetensors(bytes(range(8)) * 40)})
    real = VirtualRemote.download
    sizes: list[int] = []

    def in_pieces(
        self: VirtualRemote, source: str, local: Path, *, size: int, deadline: float
    ) -> bool:
        have = local.stat().st_size if local.exists() else 0
        sizes.append(have)
        real(self, source, local, size=min(size, have + 150), deadline=deadline)
        return local.stat().st_size == size

    monkeypatch.setattr(VirtualRemote, "download", in_pieces)
    while not Artifact.objects.exists():
        run.collect()

    assert sizes == [0, 150, 300]


def test_F60_files_that_are_home_are_not_sent_again(
    leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = leave()
    run.collect()
    Artifact.objects.all().delete()

    def unexpected(*args: Any, **kwargs: Any) -> bool:
        raise AssertionError("nothing is missing")

    monkeypatch.setattr(VirtualRemote, "download", unexpected)
    run.collect()

    assert Artifact.objects.count() == 1


def test_I11_bytes_that_differ_from_the_manifest_are_thrown_away_and_brought_again(
    leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = leave()

    def garbled(
        self: VirtualRemote, source: str, local: Path, *, size: int, deadline: float
    ) -> bool:
        local.write_bytes(bytes(size))
        return True

    with monkeypatch.context() as patched:
        patched.setattr(VirtualRemote, "download", garbled)
        with pytest.raises(SlipwayError, match="another sha256"):
            run.collect()
    run.collect()

    assert archive_of(Artifact.objects.get()) == adapter_files()


# What the machine offers is not an adapter.

DIGEST = "0" * 64


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b"[" * 100_000,
        b'{"files": "all"}',
        b'{"files": []}',
        json.dumps({"files": [{"name": WEIGHTS, "size": -1, "sha256": DIGEST}]}).encode(),
        json.dumps({"files": [{"name": WEIGHTS, "size": 2**50, "sha256": DIGEST}]}).encode(),
        json.dumps({"files": [{"name": WEIGHTS, "size": 8, "sha256": "short"}]}).encode(),
        json.dumps({"files": [{"name": "adapter/a.json", "size": 8, "sha256": DIGEST}]}).encode(),
        json.dumps({"files": [{"name": WEIGHTS, "size": 8, "sha256": DIGEST}] * 2}).encode(),
    ],
    ids=range(11),
)
def test_F59_F62_a_manifest_without_a_usable_adapter_is_a_fault_of_the_run(
    leave: Leave, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    run = leave_with_manifest(leave, monkeypatch, content)

    run.collect()

    assert run.fault_code() == "E_NO_ADAPTER"
    assert not Artifact.objects.exists()


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.json",
        "adapter/../../x.json",
        "/etc/x.json",
        "adapter/.hidden.json",
        "adapter/run.sh",
        "adapter/model.bin",
        "adapter/model.pt",
        "adapter/a/b.json",
        "adapter/x.json\n",
        "adapter/ü.json",
        "optimizer.safetensors",
    ],
)
def test_F62_names_outside_the_allowed_ones_never_come_home(leave: Leave, name: str) -> None:
    run = leave({**adapter_files(), name: b"evil"})

    run.collect()

    assert archive_of(Artifact.objects.get()).keys() == adapter_files().keys()
    home = [path for path in settings.SLIPWAY_DATA_DIR.rglob("*") if path.is_file()]
    assert not [path for path in home if path.read_bytes() == b"evil"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        (2**63).to_bytes(8, "little") + b"{}",
        (90).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{]",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"17",
        (6).to_bytes(8, "little") + b'["ab"]',
        (19).to_bytes(8, "little") + b'{"__metadata__":{}}',
        (60_000).to_bytes(8, "little") + b"[" * 60_000,
    ],
    ids=range(10),
)
def test_F59_weights_without_a_sound_header_are_no_adapter(leave: Leave, content: bytes) -> None:
    run = leave({WEIGHTS: content})

    run.collect()

    assert run.fault_code() == "E_NO_ADAPTER"


def test_F59_a_run_that_says_it_has_an_adapter_but_left_no_manifest_has_none(
    leave: Leave,
) -> None:
    run = leave()
    run.world.cloud.machines[0].agent = None

    run.collect()

    assert run.fault_code() == "E_NO_ADAPTER"


def test_F59_a_listed_file_that_is_not_there_is_no_adapter(
    leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {**adapter_files(), "adapter/tokenizer.json": b"{}"}
    run = leave_with_manifest(leave, monkeypatch, manifest(listed))

    run.collect()

    assert run.fault_code() == "E_NO_ADAPTER"


def test_F61_a_full_disk_is_said_before_anything_is_sent(
    leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = leave()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))

    with pytest.raises(SlipwayError) as error:
        run.collect()

    assert error.value.code == "E_DISK"
    assert run.fault_code() is None


def test_the_archive_is_plain_gzip_without_times_or_owners(leave: Leave) -> None:
    run = leave()

    run.collect()

    packed = (settings.SLIPWAY_DATA_DIR / Artifact.objects.get().path).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        owners = {(m.mtime, m.uid, m.uname, m.mode) for m in archive.getmembers()}
    assert owners == {(0, 0, "", 0o644)}
    assert packed[4:8] == bytes(4)


def test_what_is_packed_is_what_was_listed_and_nothing_left_over(leave: Leave) -> None:
    run = leave()
    left_over = artifact_folder(run.machine) / "adapter" / "old.json"
    left_over.parent.mkdir(parents=True)
    left_over.write_text("from an earlier try")

    run.collect()

    assert archive_of(Artifact.objects.get()) == adapter_files()
