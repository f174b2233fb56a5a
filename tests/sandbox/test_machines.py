"""A machine as its renter meets it over SSH."""

import asyncio
import json
import os
import signal
from pathlib import Path

import asyncssh
import paramiko
import pytest

from tests.sandbox.client import (
    SSH_PORT,
    WAIT_SECONDS,
    Client,
    KeyPair,
    cloud_config,
    run,
    wait_until,
)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    # Nobody may have collected a dead child's exit status yet.
    return state != "Z"


def test_F30_the_host_key_of_the_user_data_is_the_one_that_is_shown(client: Client) -> None:
    ip = client.launch_active()["ip"]

    # The client takes no other key.
    assert client.run(ip, "echo hello").stdout == "hello\n"


def test_user_data_may_be_plain_yaml(client: Client) -> None:
    private = "".join(f"    {line}\n" for line in client.host_key.private.splitlines())
    user_data = f"#cloud-config\nssh_keys:\n  ed25519_private: |\n{private}"

    ip = client.launch_active(user_data=user_data)["ip"]

    assert client.run(ip, "echo hello").stdout == "hello\n"


def test_without_user_data_the_machine_makes_its_own_host_key(client: Client) -> None:
    instance = client.launch_active(user_data=None)

    (host_key,) = client.truth(instance["id"])["host_keys"]
    with client.ssh(instance["ip"], host_key=host_key) as ssh:
        assert run(ssh, "echo hello").stdout == "hello\n"


def test_a_host_key_without_its_last_newline_leaves_the_machine_without_ssh(client: Client) -> None:
    config = {"ssh_keys": {"ed25519_private": client.host_key.private.rstrip("\n")}}

    instance = client.launch_active(user_data="#cloud-config\n" + json.dumps(config))

    assert "newline" in client.truth(instance["id"])["user_data_problem"]
    with (
        pytest.raises(paramiko.ssh_exception.NoValidConnectionsError),
        client.ssh(instance["ip"]),
    ):
        pass


@pytest.mark.parametrize("user_data", ["#!/bin/bash\ntouch x", "#cloud-config\n{", "text"])
def test_user_data_that_cloud_init_cannot_use_is_no_reason_not_to_boot(
    client: Client, user_data: str
) -> None:
    instance = client.launch_active(user_data=user_data)

    assert client.truth(instance["id"])["user_data_problem"]


def test_a_key_of_the_user_data_may_log_in_beside_the_registered_one(client: Client) -> None:
    mine = KeyPair.generate()
    ip = client.launch_active(user_data=cloud_config(client.host_key, mine))["ip"]

    with client.ssh(ip, key=mine) as ssh:
        assert run(ssh, "echo hello").stdout == "hello\n"
    assert client.run(ip, "echo hello").stdout == "hello\n"


def test_another_key_may_not_log_in(client: Client) -> None:
    ip = client.launch_active()["ip"]

    with pytest.raises(paramiko.AuthenticationException), client.ssh(ip, key=KeyPair.generate()):
        pass


def test_exit_status_stdout_and_stderr_come_back_apart(client: Client) -> None:
    ip = client.launch_active()["ip"]

    shown = client.run(ip, "echo out; echo err >&2; exit 7")

    assert (shown.status, shown.stdout, shown.stderr) == (7, "out\n", "err\n")


def test_a_command_killed_by_a_signal_has_no_exit_status(client: Client) -> None:
    ip = client.launch_active()["ip"]

    assert client.run(ip, "kill -9 $$").status == -1


def test_a_signal_sent_by_the_client_reaches_the_command(client: Client) -> None:
    ip = client.launch_active()["ip"]

    async def interrupted() -> int | None:
        async with asyncssh.connect(
            ip,
            port=SSH_PORT,
            username="ubuntu",
            client_keys=[asyncssh.import_private_key(client.login_key.private)],
            known_hosts=([asyncssh.import_public_key(client.host_key.public)], [], []),
            config=None,
        ) as ssh:
            process = await ssh.create_process(
                "trap 'kill $!; exit 9' INT; echo up; sleep 300 & wait"
            )
            await process.stdout.readline()
            process.send_signal("INT")
            return (await process.wait()).exit_status

    assert asyncio.run(interrupted()) == 9


def test_stdin_reaches_the_command_and_ends(client: Client) -> None:
    ip = client.launch_active()["ip"]

    shown = client.run(ip, "sha256sum", stdin=b"\x00\xff" * 300_000)

    assert shown.stdout == ("737119a114471f9a27c90c52c97981be6b8aad37054265c7a73c7cbb7bc388e1  -\n")
    assert shown.status == 0


def test_large_output_comes_whole(client: Client) -> None:
    ip = client.launch_active()["ip"]

    shown = client.run(ip, "head -c 3000000 /dev/zero | tr '\\0' x; echo done >&2")

    assert len(shown.stdout) == 3_000_000
    assert shown.stderr == "done\n"


def test_a_shell_request_runs_what_is_typed(client: Client) -> None:
    ip = client.launch_active()["ip"]

    with client.ssh(ip) as ssh, ssh.get_transport().open_session() as channel:  # type: ignore[union-attr]
        channel.invoke_shell()
        channel.sendall(b"command -v nvidia-smi\nexit 5\n")
        shown = channel.makefile("rb").read().decode()
        status = channel.recv_exit_status()

    assert shown.strip().endswith("/bin/nvidia-smi")
    assert status == 5


def test_a_command_starts_in_its_home_with_an_environment_of_its_own(client: Client) -> None:
    instance = client.launch_active()
    home = client.truth(instance["id"])["home"]

    shown = client.run(instance["ip"], "pwd; env")

    environment = dict(line.split("=", 1) for line in shown.stdout.splitlines()[1:])
    assert shown.stdout.splitlines()[0] == home
    assert environment["HOME"] == home
    assert environment["USER"] == "ubuntu"
    assert environment["TMPDIR"].startswith(str(Path(home).parent))
    # Neither the sandbox's keys nor anything else of its environment.
    assert client.sandbox.api_key not in shown.stdout
    assert environment.keys() <= {
        "HOME", "LANG", "LOGNAME", "OLDPWD", "PATH", "PWD", "SANDBOX_MACHINE", "SHELL", "SHLVL",
        "TMPDIR", "USER", "_",
    }  # fmt: skip


def test_of_the_clients_environment_only_the_locale_is_taken(client: Client) -> None:
    ip = client.launch_active()["ip"]

    with client.ssh(ip) as ssh:
        sent = {"LC_TIME": "C", "LD_PRELOAD": "/x.so", "PATH": "/nowhere"}
        _, stdout, _ = ssh.exec_command("env", environment=sent, timeout=WAIT_SECONDS)
        shown = stdout.read().decode().splitlines()

    assert "LC_TIME=C" in shown
    assert "LD_PRELOAD=/x.so" not in shown
    assert "PATH=/nowhere" not in shown


def test_T3_port_forwarding_and_terminals_are_refused(client: Client) -> None:
    ip = client.launch_active()["ip"]

    with client.ssh(ip) as ssh:
        transport = ssh.get_transport()
        assert transport is not None
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", (ip, SSH_PORT), ("127.0.0.1", 1))
        with pytest.raises(paramiko.SSHException):
            transport.request_port_forward("127.0.0.1", 0)
        with transport.open_session() as channel, pytest.raises(paramiko.SSHException):
            channel.get_pty()


def test_a_detached_process_outlives_its_connection_and_ends_with_the_machine(
    client: Client,
) -> None:
    instance = client.launch_active()
    start = "setsid nohup sleep 300 >/dev/null 2>&1 </dev/null & echo $!"

    pid = int(client.run(instance["ip"], start).stdout)

    assert is_running(pid)
    assert client.truth(instance["id"])["pids"] == [pid]
    client.terminate(instance["id"])
    client.wait_for(instance["id"], "terminated")
    assert not is_running(pid)
    assert client.truth(instance["id"])["pids"] == []


def test_a_closed_channel_leaves_the_processes_of_its_command_alone(client: Client) -> None:
    instance = client.launch_active()
    started = Path(client.truth(instance["id"])["home"]) / "started"

    with client.ssh(instance["ip"]) as ssh:
        command = "setsid sleep 300 & echo $! > pid; mv pid started; sleep 300"
        _, stdout, _ = ssh.exec_command(command, timeout=WAIT_SECONDS)
        wait_until(started.exists)
        stdout.channel.close()
        assert run(ssh, "echo still here").stdout == "still here\n"

    assert is_running(int(started.read_text(encoding="utf-8")))


def test_terminate_ends_a_process_that_ignores_signals_and_keeps_forking(
    client: Client,
) -> None:
    instance = client.launch_active()
    # Ends by itself after a while, so that a broken sandbox does not drown this computer.
    forker = "trap '' TERM INT HUP; for i in {1..500}; do setsid sleep 30 & sleep 0.01; done"
    start = f"setsid bash -c {json.dumps(forker)} >/dev/null 2>&1 </dev/null & echo $!"
    client.run(instance["ip"], start)
    wait_until(lambda: len(client.truth(instance["id"])["pids"]) > 5)

    client.terminate(instance["id"])

    client.wait_for(instance["id"], "terminated")
    assert client.truth(instance["id"])["pids"] == []


def test_terminate_closes_live_connections_and_removes_the_files(client: Client) -> None:
    instance = client.launch_active()
    home = Path(client.truth(instance["id"])["home"])

    with client.ssh(instance["ip"]) as ssh:
        run(ssh, "echo secret > data.txt")
        assert (home / "data.txt").exists()
        client.terminate(instance["id"])
        client.wait_for(instance["id"], "terminated")
        transport = ssh.get_transport()
        assert transport is not None
        wait_until(lambda: not transport.is_active())

    assert not home.parent.exists()
    with (
        pytest.raises(paramiko.ssh_exception.NoValidConnectionsError),
        client.ssh(instance["ip"]),
    ):
        pass


def test_what_one_machine_ends_leaves_the_other_alone(client: Client) -> None:
    first, second = client.launch_active(), client.launch_active()
    start = "setsid nohup sleep 300 >/dev/null 2>&1 </dev/null & echo $!"
    pid = int(client.run(second["ip"], start).stdout)

    client.terminate(first["id"])
    client.wait_for(first["id"], "terminated")

    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


def test_the_image_declares_its_cpu_stand_in_and_brings_its_python(client: Client) -> None:
    ip = client.launch_active()["ip"]

    shown = client.run(ip, "cat .slipway-cpu-stand-in; python3 -c 'import asyncssh; print(1 + 1)'")

    assert "no GPU" in shown.stdout
    # The default image python is the sandbox's own, with the packages of its environment.
    assert shown.stdout.endswith("2\n")
    assert shown.stderr == ""


def test_nvidia_smi_shows_one_line_for_each_gpu_of_the_type_bought(client: Client) -> None:
    ip = client.launch_active(instance_type_name="gpu_8x_a100", region_name="us-west-1")["ip"]

    shown = client.run(ip, "nvidia-smi --query-gpu=index,name,memory.total --format=csv,noheader")

    lines = shown.stdout.splitlines()
    assert lines[0] == "0, NVIDIA A100-SXM4-40GB, 40960 MiB"
    assert [line.split(",")[0] for line in lines] == [str(index) for index in range(8)]
