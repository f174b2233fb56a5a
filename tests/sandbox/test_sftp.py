"""SFTP serves the home of one machine and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from tests.sandbox.client import Client


@pytest.fixture
def home(client: Client) -> Path:
    machine = client.launch_active()
    return Path(client.truth(machine["id"])["home"])


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no machine may reach.

    Ours, not the system's: when the code under test is broken, what is aimed at is really hit.
    """
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "kept").write_text("kept", encoding="utf-8")
    return folder


@pytest.fixture
def sftp(client: Client, home: Path) -> Iterator[paramiko.SFTPClient]:
    machines = client.control("GET", "machines")["machines"]
    (ip,) = [machine["ip"] for machine in machines if machine["home"] == str(home)]
    with client.ssh(ip) as ssh, ssh.open_sftp() as opened:
        yield opened


def test_bytes_written_are_bytes_read(sftp: paramiko.SFTPClient) -> None:
    content = bytes(range(256)) * 400

    with sftp.open("data.bin", "wb") as file:
        file.write(content)

    with sftp.open("data.bin", "rb") as file:
        file.seek(100)
        assert file.read() == content[100:]
    assert sftp.stat("data.bin").st_size == len(content)


def test_relative_paths_start_at_the_home_as_in_a_shell(
    sftp: paramiko.SFTPClient, home: Path
) -> None:
    sftp.mkdir("runs")
    with sftp.open("runs/a", "wb") as file:
        file.write(b"a")

    assert sftp.normalize(".") == str(home)
    assert (home / "runs" / "a").read_bytes() == b"a"
    assert sftp.listdir("runs") == ["a"]
    assert sftp.listdir(str(home / "runs")) == ["a"]


def test_a_finished_part_replaces_the_old_file(sftp: paramiko.SFTPClient) -> None:
    for name, content in (("job.json", b"old"), ("job.json.part", b"new")):
        with sftp.open(name, "wb") as file:
            file.write(content)

    sftp.chmod("job.json.part", 0o600)
    sftp.posix_rename("job.json.part", "job.json")

    with sftp.open("job.json", "rb") as file:
        assert file.read() == b"new"
    assert "job.json.part" not in sftp.listdir(".")


def test_a_missing_file_is_missing(sftp: paramiko.SFTPClient) -> None:
    with pytest.raises(FileNotFoundError):
        sftp.stat("nothing")


@pytest.mark.parametrize("path", ["/", "..", "../bin/nvidia-smi", "a/../../gpus.json"])
def test_paths_that_leave_the_home_are_refused(sftp: paramiko.SFTPClient, path: str) -> None:
    with pytest.raises(PermissionError):
        sftp.open(path, "rb")
    with pytest.raises(PermissionError):
        sftp.stat(path)


def test_an_absolute_path_outside_the_home_is_refused(
    sftp: paramiko.SFTPClient, outside: Path
) -> None:
    with pytest.raises(PermissionError):
        sftp.open(str(outside / "kept"), "rb")
    with pytest.raises(PermissionError):
        sftp.remove(str(outside / "kept"))
    with pytest.raises(PermissionError):
        sftp.posix_rename(str(outside / "kept"), "taken")
    assert (outside / "kept").exists()


def test_writing_outside_the_home_is_refused(sftp: paramiko.SFTPClient, home: Path) -> None:
    with pytest.raises(PermissionError):
        sftp.open("../bin/python3", "wb")
    with sftp.open("mine", "wb") as file:
        file.write(b"x")
    with pytest.raises(PermissionError):
        sftp.rename("mine", "../mine")
    with pytest.raises(PermissionError):
        sftp.mkdir("../folder")
    assert not (home.parent / "mine").exists()


def test_a_link_that_leads_out_is_shown_and_removed_but_not_followed(
    sftp: paramiko.SFTPClient, home: Path, outside: Path
) -> None:
    (home / "way-out").symlink_to(outside)
    (home / "file-out").symlink_to(outside / "kept")

    assert set(sftp.listdir(".")) >= {"way-out", "file-out"}
    assert sftp.readlink("way-out") == str(outside)
    with pytest.raises(PermissionError):
        sftp.open("file-out", "rb")
    with pytest.raises(PermissionError):
        sftp.open("way-out/kept", "rb")
    with pytest.raises(PermissionError):
        sftp.remove("way-out/kept")
    sftp.remove("file-out")
    assert not (home / "file-out").is_symlink()
    assert (outside / "kept").read_text(encoding="utf-8") == "kept"


def test_the_home_of_another_machine_is_refused(client: Client, sftp: paramiko.SFTPClient) -> None:
    other = client.launch_active()
    other_home = Path(client.truth(other["id"])["home"])
    client.run(other["ip"], "echo mine > data")

    with pytest.raises(PermissionError):
        sftp.open(str(other_home / "data"), "rb")


def test_a_link_that_leads_out_cannot_be_made(sftp: paramiko.SFTPClient, outside: Path) -> None:
    with pytest.raises(PermissionError):
        sftp.symlink(str(outside), "way-out")
