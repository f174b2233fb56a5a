"""Files: in place at once or not at all, resumed after a cut, and never more than asked for."""

import hashlib
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.remote import RemoteError, RemoteFileMissingError, SshUnreachableError, connect
from tests.deployments.remote.conftest import PATIENCE_SECONDS, PATIENT
from tests.deployments.remote.machine import Machine

MIB = 1024 * 1024
DATA = bytes(range(256)) * (5 * MIB // 256 + 3)


def soon(seconds: float = PATIENCE_SECONDS) -> float:
    return time.monotonic() + seconds


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def make_local(tmp_path: Path, data: bytes = DATA) -> Path:
    path = tmp_path / "local.bin"
    path.write_bytes(data)
    return path


def test_a_written_file_is_in_place_with_its_mode_and_its_parent_folders(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        remote.write("slipway/run/job.json", b"{}", mode=0o600)

    path = machine.home / "slipway/run/job.json"
    assert path.read_bytes() == b"{}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert names_in(path.parent) == ["job.json"]


def test_writing_again_replaces_the_file(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        remote.write("job.json", b"a longer first text", mode=0o644)
        remote.write("job.json", b"second", mode=0o755)

    assert (machine.home / "job.json").read_bytes() == b"second"
    assert stat.S_IMODE((machine.home / "job.json").stat().st_mode) == 0o755


def test_writing_through_a_link_replaces_the_link_and_not_its_target(machine: Machine) -> None:
    (machine.home / "precious").write_text("untouched")
    (machine.home / "job.json").symlink_to("precious")

    with connect(machine.target()) as remote:
        remote.write("job.json", b"{}", mode=0o600)

    assert (machine.home / "precious").read_text() == "untouched"
    assert not (machine.home / "job.json").is_symlink()


def test_a_write_the_disk_has_no_room_for_leaves_the_old_file(machine: Machine) -> None:
    (machine.home / "job.json").write_text("old")
    machine.disk_is_full = True

    with connect(machine.target()) as remote, pytest.raises(RemoteError) as caught:
        remote.write("job.json", b"new", mode=0o600)

    assert (machine.home / "job.json").read_text() == "old"
    assert names_in(machine.home) == ["job.json"]
    assert caught.value.code == "E_REMOTE_FILE"
    assert "job.json" in caught.value.message
    assert caught.value.remedy


def test_a_written_file_larger_than_a_block_arrives_whole(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        remote.write("large", DATA, mode=0o600)

    assert sha256((machine.home / "large").read_bytes()) == sha256(DATA)


def test_reading_goes_on_where_the_last_look_ended(machine: Machine) -> None:
    (machine.home / "run.jsonl").write_bytes(b"0123456789")

    with connect(machine.target()) as remote:
        assert remote.read("run.jsonl", offset=0, limit=4) == b"0123"
        assert remote.read("run.jsonl", offset=4, limit=100) == b"456789"
        assert remote.read("run.jsonl", offset=10, limit=100) == b""
        assert remote.read("run.jsonl", offset=99, limit=100) == b""


def test_reading_across_blocks_gives_the_bytes_in_order(machine: Machine) -> None:
    (machine.home / "large").write_bytes(DATA)

    with connect(machine.target()) as remote:
        assert remote.read("large", offset=5, limit=3 * MIB) == DATA[5 : 5 + 3 * MIB]


def test_a_missing_file_is_told_from_a_broken_connection(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        with pytest.raises(RemoteFileMissingError) as caught:
            remote.read("nothing", offset=0, limit=10)
        assert remote.run("true", timeout_seconds=PATIENCE_SECONDS).exit_status == 0

    assert "nothing" in caught.value.message


def test_f62_links_folders_and_devices_are_not_read(machine: Machine, tmp_path: Path) -> None:
    (machine.home / "secret").write_text("secret")
    (machine.home / "link").symlink_to("secret")
    (machine.home / "folder").mkdir()
    os.mkfifo(machine.home / "fifo")

    with connect(machine.target()) as remote:
        for name in ("link", "folder", "fifo"):
            with pytest.raises(RemoteFileMissingError):
                remote.read(name, offset=0, limit=10)
            with pytest.raises(RemoteFileMissingError):
                remote.download(name, tmp_path / "home.part", size=6, deadline=soon())

    assert not (tmp_path / "home.part").exists()


def test_an_uploaded_file_gets_its_name_only_when_it_is_whole(
    machine: Machine, tmp_path: Path
) -> None:
    local = make_local(tmp_path)

    with connect(machine.target()) as remote:
        arrived = remote.upload(local, "data/set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert arrived
    assert (machine.home / "data/set.jsonl").read_bytes() == DATA
    assert names_in(machine.home / "data") == ["set.jsonl"]


def test_an_empty_file_can_be_uploaded_and_downloaded(machine: Machine, tmp_path: Path) -> None:
    local = make_local(tmp_path, b"")

    with connect(machine.target()) as remote:
        assert remote.upload(local, "empty", sha256=sha256(b""), deadline=soon())
        assert remote.download("empty", tmp_path / "back", size=0, deadline=soon())

    assert (tmp_path / "back").read_bytes() == b""


def test_a_file_already_in_place_is_not_sent_again(machine: Machine, tmp_path: Path) -> None:
    local = make_local(tmp_path)
    (machine.home / "set.jsonl").write_bytes(DATA)

    with connect(machine.target()) as remote:
        assert remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert machine.bytes_written == 0


def test_a_file_in_place_whose_sum_is_not_known_in_time_is_left_as_it_is(
    machine: Machine, tmp_path: Path
) -> None:
    local = make_local(tmp_path)
    (machine.home / "set.jsonl").write_bytes(DATA)

    with connect(machine.target()) as remote:
        assert not remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon(-1))

    assert names_in(machine.home) == ["set.jsonl"]


def test_another_file_of_the_same_size_is_replaced(machine: Machine, tmp_path: Path) -> None:
    local = make_local(tmp_path)
    (machine.home / "set.jsonl").write_bytes(bytes(len(DATA)))

    with connect(machine.target()) as remote:
        assert remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert (machine.home / "set.jsonl").read_bytes() == DATA


def test_f34_an_upload_cut_in_the_middle_goes_on_where_it_ended(
    machine: Machine, tmp_path: Path
) -> None:
    local = make_local(tmp_path)
    machine.cut_after_bytes = 3 * MIB
    with connect(machine.target()) as remote, pytest.raises(SshUnreachableError):
        remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())
    assert not (machine.home / "set.jsonl").exists()
    before = machine.bytes_written
    assert 2 * MIB < before < len(DATA)

    with connect(machine.target()) as remote:
        arrived = remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert arrived
    assert (machine.home / "set.jsonl").read_bytes() == DATA
    assert machine.bytes_written == len(DATA)


def test_an_upload_whose_time_is_up_says_so_and_goes_on_next_time(
    machine: Machine, tmp_path: Path
) -> None:
    local = make_local(tmp_path)
    (machine.home / "set.jsonl.part").write_bytes(DATA[:MIB])

    with connect(machine.target()) as remote:
        in_time = remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon(-1))
        assert (machine.home / "set.jsonl.part").read_bytes() == DATA[:MIB]
        later = remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert (in_time, later) == (False, True)
    assert machine.bytes_written == len(DATA) - MIB


@pytest.mark.parametrize("size", [MIB, len(DATA), len(DATA) + 5])
def test_what_an_earlier_slice_left_of_another_file_is_sent_anew(
    machine: Machine, tmp_path: Path, size: int
) -> None:
    local = make_local(tmp_path)
    (machine.home / "set.jsonl.part").write_bytes(bytes(size))

    with connect(machine.target()) as remote:
        assert remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert (machine.home / "set.jsonl").read_bytes() == DATA


def test_a_file_damaged_on_the_way_is_sent_again(machine: Machine, tmp_path: Path) -> None:
    local = make_local(tmp_path)
    machine.corrupts_next_write = True

    with connect(machine.target()) as remote:
        assert remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert (machine.home / "set.jsonl").read_bytes() == DATA


def test_a_file_that_never_has_its_sum_is_an_error_and_never_in_place(
    machine: Machine, tmp_path: Path
) -> None:
    local = make_local(tmp_path)

    with connect(machine.target()) as remote, pytest.raises(RemoteError) as caught:
        remote.upload(local, "set.jsonl", sha256="0" * 64, deadline=soon())

    assert caught.value.code == "E_CHECKSUM"
    assert caught.value.remedy
    assert names_in(machine.home) == []


def test_an_upload_to_a_full_disk_says_what_the_machine_said(
    machine: Machine, tmp_path: Path
) -> None:
    local = make_local(tmp_path)
    machine.disk_is_full = True

    with connect(machine.target()) as remote, pytest.raises(RemoteError) as caught:
        remote.upload(local, "set.jsonl", sha256=sha256(DATA), deadline=soon())

    assert "No space left" in caught.value.message


def test_a_missing_file_of_our_own_is_our_error_and_not_the_machines(
    machine: Machine, tmp_path: Path
) -> None:
    with connect(machine.target()) as remote, pytest.raises(FileNotFoundError):
        remote.upload(tmp_path / "gone", "set.jsonl", sha256="0" * 64, deadline=soon())


def test_a_download_appends_what_is_missing(machine: Machine, tmp_path: Path) -> None:
    (machine.home / "adapter").write_bytes(DATA)
    local = tmp_path / "adapter.part"
    local.write_bytes(DATA[: MIB + 7])

    with connect(machine.target()) as remote:
        assert remote.download("adapter", local, size=len(DATA), deadline=soon())

    assert local.read_bytes() == DATA


def test_f60_a_download_cut_in_the_middle_goes_on_where_it_ended(
    machine: Machine, tmp_path: Path
) -> None:
    (machine.home / "adapter").write_bytes(DATA)
    local = tmp_path / "adapter.part"
    machine.cut_after_bytes = 3 * MIB
    with connect(machine.target()) as remote, pytest.raises(SshUnreachableError):
        remote.download("adapter", local, size=len(DATA), deadline=soon())
    begun = local.stat().st_size
    assert 0 < begun < len(DATA)
    assert local.read_bytes() == DATA[:begun]

    with connect(machine.target()) as remote:
        assert remote.download("adapter", local, size=len(DATA), deadline=soon())

    assert local.read_bytes() == DATA


def test_a_download_whose_time_is_up_says_so(machine: Machine, tmp_path: Path) -> None:
    (machine.home / "adapter").write_bytes(DATA)

    with connect(machine.target()) as remote:
        done = remote.download("adapter", tmp_path / "part", size=len(DATA), deadline=soon(-1))

    assert not done


def test_t3_a_file_that_grew_gives_no_more_bytes_than_were_asked_for(
    machine: Machine, tmp_path: Path
) -> None:
    (machine.home / "adapter").write_bytes(DATA)

    with connect(machine.target()) as remote:
        assert remote.download("adapter", tmp_path / "part", size=1000, deadline=soon())

    assert (tmp_path / "part").read_bytes() == DATA[:1000]


def test_a_file_shorter_than_promised_is_an_error_and_not_a_loop(
    machine: Machine, tmp_path: Path
) -> None:
    (machine.home / "adapter").write_bytes(b"short")

    with connect(machine.target()) as remote, pytest.raises(RemoteError) as caught:
        remote.download("adapter", tmp_path / "part", size=1000, deadline=soon())

    assert "5 bytes" in caught.value.message
    assert caught.value.remedy


def test_a_local_part_longer_than_the_file_is_begun_anew(machine: Machine, tmp_path: Path) -> None:
    (machine.home / "adapter").write_bytes(DATA)
    local = tmp_path / "part"
    local.write_bytes(bytes(len(DATA) + 1))

    with connect(machine.target()) as remote:
        assert remote.download("adapter", local, size=len(DATA), deadline=soon())

    assert local.read_bytes() == DATA


def test_a_machine_that_freezes_in_mid_transfer_is_unreachable_in_time(
    machine: Machine, tmp_path: Path
) -> None:
    (machine.home / "adapter").write_bytes(DATA)

    with connect(machine.target(), limits=replace(PATIENT, idle_seconds=2)) as remote:
        assert remote.read("adapter", offset=0, limit=10) == DATA[:10]
        machine.freeze()

        with pytest.raises(SshUnreachableError):
            remote.read("adapter", offset=0, limit=10)
        # And the next step does not wait again.
        with pytest.raises(SshUnreachableError):
            remote.download("adapter", tmp_path / "part", size=10, deadline=soon())


def test_a_machine_that_freezes_before_the_first_file_is_unreachable_in_time(
    machine: Machine,
) -> None:
    with connect(machine.target(), limits=replace(PATIENT, channel_seconds=0.5)) as remote:
        machine.freeze()

        with pytest.raises(SshUnreachableError):
            remote.read("adapter", offset=0, limit=10)


def test_a_peer_that_opens_sftp_and_never_speaks_it_is_unreachable_in_time(
    machine: Machine,
) -> None:
    # paramiko waits for the first word without a limit of its own.
    machine.freezes_at_sftp = True

    with (
        connect(machine.target(), limits=replace(PATIENT, step_seconds=0.5)) as remote,
        pytest.raises(SshUnreachableError),
    ):
        remote.read("adapter", offset=0, limit=10)
