"""Faults of what runs on a machine: its processes, its packages, its GPU, a reboot."""

import contextlib
import time
from pathlib import Path
from typing import Any

import paramiko
import pytest
import requests

from tests.sandbox.client import Client, wait_until

NO_ANSWER = (OSError, EOFError, paramiko.SSHException)


def start(client: Client, ip: str, name: str) -> None:
    """Start something long with this name as an argument, detached as an agent is."""
    script = f"import time; time.sleep(600)  # {name}"
    client.run(ip, f'setsid nohup python3 -c "{script}" {name} > /dev/null 2>&1 < /dev/null &')


def test_F46_a_process_can_be_killed_as_the_kernel_kills_and_dmesg_tells(client: Client) -> None:
    client.fault("launch", "signal", process="train.py", kernel_says="Out of memory: Killed 4711")
    instance = client.launch_active()
    start(client, instance["ip"], "other.py")
    start(client, instance["ip"], "train.py")

    wait_until(lambda: "Killed 4711" in client.run(instance["ip"], "dmesg -T").stdout)

    (pid,) = wait_for_pids(client, instance["id"], count=1)
    assert "other.py" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


def test_F44_a_process_can_be_held_up_for_good(client: Client) -> None:
    client.fault("launch", "signal", process="train.py", signal="STOP")
    instance = client.launch_active()
    start(client, instance["ip"], "train.py")

    (pid,) = wait_for_pids(client, instance["id"], count=1)

    wait_until(lambda: state_of(pid) == "T")


def test_F46_a_gpu_can_be_lost_after_a_while(client: Client) -> None:
    client.fault("launch", "gpu_lost", seconds=0)
    instance = client.launch_active()

    wait_until(lambda: client.run(instance["ip"], "nvidia-smi").status == 15)

    assert "GPU is lost" in client.run(instance["ip"], "nvidia-smi -L").stdout


def test_F52_a_machine_can_reboot_by_itself_and_keeps_its_files_and_address(client: Client) -> None:
    instance = working_before_its_reboot(client)

    wait_until(lambda: not client.truth(instance["id"])["pids"])
    wait_until(lambda: answers(client, instance["ip"]))

    assert client.run(instance["ip"], "cat file").stdout == "kept\n"
    assert client.instance(instance["id"])["ip"] == instance["ip"]
    assert client.instance(instance["id"])["status"] == "active"


def test_what_may_happen_later_can_happen_at_once(client: Client) -> None:
    healthy, instance = client.launch_active()["id"], client.launch_active()

    client.control("POST", f"machines/{instance['id']}/happen", {"kind": "unhealthy_later"})

    assert client.instance(instance["id"])["status"] == "unhealthy"
    assert client.instance(healthy)["status"] == "active"
    with pytest.raises(requests.HTTPError, match="400"):
        client.control("POST", f"machines/{healthy}/happen", {"kind": "two_ids"})


def test_F33_packages_can_be_out_of_reach_for_a_number_of_tries(client: Client) -> None:
    client.fault("launch", "install_fails", tries=2)
    ip = client.launch_active()["ip"]

    tries = [client.run(ip, "python3 -m venv --help > /dev/null").status for _ in range(3)]

    assert tries == [1, 1, 0]
    assert client.run(ip, "echo 'print(1)' | python3 -").stdout == "1\n"


def test_F33_packages_can_be_out_of_reach_for_ever_and_other_programs_run(client: Client) -> None:
    client.fault("launch", "install_fails")
    ip = client.launch_active()["ip"]

    assert [client.run(ip, "python3 -m venv x").status for _ in range(3)] == [1, 1, 1]
    assert "lacks" in client.run(ip, "echo 'print(1)' | python3 - pins").stderr
    assert client.run(ip, "python3 -c 'print(1)'").stdout == "1\n"


def working_before_its_reboot(client: Client) -> dict[str, Any]:
    """Return a machine with a process and a file, however slow this computer is."""
    for seconds in (1, 5, 25, 125):
        client.fault("launch", "reboot", seconds=seconds)
        began = time.monotonic()
        instance = client.launch_active()
        with contextlib.suppress(*NO_ANSWER):
            start(client, instance["ip"], "train.py")
            client.run(instance["ip"], "echo kept > file")
        if time.monotonic() - began < seconds:
            return instance
    raise AssertionError("A machine is not put to work within two minutes of its launch.")


def wait_for_pids(client: Client, machine_id: str, *, count: int) -> list[int]:
    found: list[int] = []

    def look() -> bool:
        found[:] = client.truth(machine_id)["pids"]
        return len(found) == count

    wait_until(look)
    return found


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def answers(client: Client, ip: str) -> bool:
    try:
        return client.run(ip, "true").status == 0
    except NO_ANSWER:
        return False
