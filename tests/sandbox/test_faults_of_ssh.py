"""Faults of a machine's SSH: each as a client meets it, and gone with the next connection."""

import socket
import time
from pathlib import Path

import paramiko
import pytest

from tests.sandbox.client import SSH_PORT, WAIT_SECONDS, Client, run, wait_until

BROKEN = (paramiko.SSHException, EOFError, OSError)


@pytest.fixture
def machine(client: Client) -> dict[str, str]:
    instance = client.launch_active(name="ssh-machine")
    home = client.truth(instance["id"])["home"]
    return {"id": instance["id"], "ip": instance["ip"], "home": home}


def banner(ip: str, *, timeout: float = WAIT_SECONDS) -> bytes:
    """Return the first bytes that the server says."""
    with socket.create_connection((ip, SSH_PORT), timeout=timeout) as connection:
        return connection.recv(4)


def test_F29_ssh_can_refuse_after_active_for_ever_or_for_a_while(client: Client) -> None:
    client.fault("launch", "ssh_refused")
    client.fault("launch", "ssh_refused", seconds=0.1)

    never, late = client.launch_active()["ip"], client.launch_active()["ip"]

    wait_until(lambda: _answers(late))
    assert client.run(late, "echo up").stdout == "up\n"
    with pytest.raises(ConnectionRefusedError):
        banner(never)


def test_F29_a_connection_can_be_reset_before_a_word(
    client: Client, machine: dict[str, str]
) -> None:
    client.fault("ssh", "ssh_reset")

    with pytest.raises(ConnectionResetError):
        banner(machine["ip"])

    assert client.run(machine["ip"], "echo next").stdout == "next\n"


def test_F29_a_connection_can_hang(client: Client, machine: dict[str, str]) -> None:
    client.fault("ssh", "ssh_hang")

    with pytest.raises(TimeoutError):
        banner(machine["ip"], timeout=0.3)

    assert client.run(machine["ip"], "echo next").stdout == "next\n"


def test_F29_a_banner_can_be_slow(client: Client, machine: dict[str, str]) -> None:
    client.fault("ssh", "ssh_slow_banner", seconds=0.4)
    started = time.monotonic()

    said = banner(machine["ip"])

    assert said == b"SSH-"
    assert time.monotonic() - started >= 0.4


def test_F29_a_login_can_be_refused(client: Client, machine: dict[str, str]) -> None:
    client.fault("ssh", "ssh_auth_refused")

    with pytest.raises(paramiko.AuthenticationException), client.ssh(machine["ip"]):
        pass

    assert client.run(machine["ip"], "echo next").stdout == "next\n"


def test_F30_another_host_key_can_be_shown(client: Client, machine: dict[str, str]) -> None:
    client.fault("ssh", "ssh_wrong_host_key")

    with pytest.raises(paramiko.BadHostKeyException), client.ssh(machine["ip"]):
        pass

    assert client.run(machine["ip"], "echo next").stdout == "next\n"


def test_F34_an_upload_can_be_cut_and_leaves_a_part(
    client: Client, machine: dict[str, str]
) -> None:
    client.fault("ssh", "ssh_cut", bytes=200_000)

    with (
        pytest.raises(BROKEN),
        client.ssh(machine["ip"]) as ssh,
        ssh.open_sftp() as sftp,
        sftp.open("data", "wb") as file,
    ):
        file.write(b"x" * 1_000_000)

    part = Path(machine["home"]) / "data"
    assert 0 < part.stat().st_size < 200_000
    assert client.run(machine["ip"], "echo next").stdout == "next\n"


def test_F60_a_download_can_be_cut(client: Client, machine: dict[str, str]) -> None:
    client.run(machine["ip"], "head -c 1000000 /dev/zero > data")
    client.fault("ssh", "ssh_cut", bytes=200_000)

    with (
        pytest.raises(BROKEN),
        client.ssh(machine["ip"]) as ssh,
        ssh.open_sftp() as sftp,
        sftp.open("data", "rb") as file,
    ):
        file.read()


def test_F60_a_line_can_be_slow(client: Client, machine: dict[str, str]) -> None:
    client.run(machine["ip"], "head -c 50000 /dev/urandom > data")
    client.fault("ssh", "ssh_throttle", bytes_per_second=100_000)
    started = time.monotonic()

    with client.ssh(machine["ip"]) as ssh, ssh.open_sftp() as sftp, sftp.open("data") as file:
        content = file.read()

    assert len(content) == 50_000
    assert time.monotonic() - started >= 0.4


def test_F39_a_command_can_run_and_its_answer_be_lost(
    client: Client, machine: dict[str, str]
) -> None:
    client.fault("exec", "exec_unanswered", contains="touch")

    with client.ssh(machine["ip"]) as ssh:
        assert run(ssh, "echo before").stdout == "before\n"
        _, stdout, _ = ssh.exec_command("touch started; echo answer", timeout=WAIT_SECONDS)
        status = stdout.channel.recv_exit_status()

    assert status == -1
    assert client.run(machine["ip"], "ls started").stdout == "started\n"


def test_a_fault_can_be_about_one_machine_alone(client: Client, machine: dict[str, str]) -> None:
    other = client.launch_active(name="other-machine")["ip"]
    client.fault("ssh", "ssh_reset", machine="other-machine", times=None)

    with pytest.raises(ConnectionResetError):
        banner(other)

    assert client.run(machine["ip"], "echo spared").stdout == "spared\n"


def test_a_hanging_and_a_throttled_connection_end_with_their_machine(
    client: Client, machine: dict[str, str]
) -> None:
    client.fault("ssh", "ssh_hang")
    client.fault("ssh", "ssh_throttle", bytes_per_second=1000)
    address = (machine["ip"], SSH_PORT)

    with (
        socket.create_connection(address, timeout=WAIT_SECONDS) as hanging,
        socket.create_connection(address, timeout=WAIT_SECONDS) as throttled,
    ):
        throttled.recv(4)
        client.terminate(machine["id"])
        client.wait_for(machine["id"], "terminated")

        assert hanging.recv(1) == b""
        while throttled.recv(1000):
            pass


def _answers(ip: str) -> bool:
    try:
        return banner(ip) == b"SSH-"
    except ConnectionRefusedError:
        return False
