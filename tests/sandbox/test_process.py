"""The sandbox as a process: who reaches it, how it starts, how it ends."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.sandbox.client import WAIT_SECONDS, Client, wait_until
from tests.sandbox.test_machines import is_running
from tests.sandbox_cloud import REPOSITORY, SandboxHandle, running_sandbox

DETACH = "setsid nohup sleep 300 >/dev/null 2>&1 </dev/null & echo $!"


@pytest.mark.parametrize("path", ["/api/v1/regions", "/_sandbox/health", "/"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:9400", "127.0.0.1", ""])
def test_T21_a_request_under_another_host_name_is_refused(
    running_cloud: SandboxHandle, path: str, host: str
) -> None:
    response = requests.get(
        running_cloud.root_url + path,
        headers={**running_cloud.authorization, "Host": host},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 421


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin"])
@pytest.mark.parametrize("path", ["/api/v1/instance-operations/launch", "/_sandbox/faults"])
def test_T21_a_web_page_is_refused_even_with_the_right_keys(
    running_cloud: SandboxHandle, path: str, site: str
) -> None:
    """A form of a page can send text/plain that is JSON, with a password the browser remembers."""
    keys = {**running_cloud.authorization, "X-Sandbox-Control": running_cloud.control_key}
    headers = {"Content-Type": "text/plain", "Sec-Fetch-Site": site, **keys}

    response = requests.post(
        running_cloud.root_url + path, headers=headers, data="{}", timeout=WAIT_SECONDS
    )

    assert response.status_code == 403
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "own"])
def test_T21_a_request_that_says_which_page_it_comes_from_is_refused(
    running_cloud: SandboxHandle, method: str, origin: str
) -> None:
    response = requests.request(
        method,
        running_cloud.base_url + "/regions",
        headers={
            **running_cloud.authorization,
            "Origin": running_cloud.root_url if origin == "own" else origin,
        },
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 403


def test_T21_an_address_typed_into_a_browser_is_answered(running_cloud: SandboxHandle) -> None:
    response = requests.get(
        running_cloud.root_url + "/_sandbox/health",
        headers={"Sec-Fetch-Site": "none"},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 200


def test_T21_localhost_is_a_name_of_ours(running_cloud: SandboxHandle) -> None:
    port = running_cloud.root_url.rpartition(":")[2]

    response = requests.get(
        running_cloud.root_url + "/_sandbox/health",
        headers={"Host": f"localhost:{port}"},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 200


def test_T21_it_listens_on_one_loopback_address_only(running_cloud: SandboxHandle) -> None:
    port = int(running_cloud.root_url.rpartition(":")[2])

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=WAIT_SECONDS)


def test_T16_no_key_is_in_the_process_list(running_cloud: SandboxHandle) -> None:
    command = Path(f"/proc/{running_cloud.process.pid}/cmdline").read_bytes().decode()

    assert "sandbox" in command
    assert running_cloud.api_key not in command
    assert running_cloud.control_key not in command


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_machine_and_the_exit_status_is_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running_sandbox(tmp_path / "cloud", boot_seconds=0) as sandbox:
        client = Client(sandbox)
        machine = client.launch_active()
        pid = int(client.run(machine["ip"], DETACH).stdout)

        sandbox.process.send_signal(number)

        assert sandbox.process.wait(WAIT_SECONDS) == 0
        assert not is_running(pid)
        assert list((tmp_path / "cloud" / "machines").iterdir()) == []


def test_after_a_sigkill_the_next_start_ends_what_was_left_and_closes_its_bill(
    tmp_path: Path,
) -> None:
    with running_sandbox(tmp_path / "cloud", boot_seconds=0) as sandbox:
        client = Client(sandbox)
        machine = client.launch_active()
        pid = int(client.run(machine["ip"], DETACH).stdout)
        sandbox.process.kill()
        sandbox.process.wait()
        assert is_running(pid)

    with running_sandbox(tmp_path / "cloud", boot_seconds=0) as sandbox:
        (bill,) = sandbox.control("GET", "ledger")["entries"]

        assert bill["machine_id"] == machine["id"]
        assert bill["terminated_at"] is not None
        assert not is_running(pid)
        assert not (tmp_path / "cloud" / "machines").exists()


def test_T21_missing_keys_are_made_new_at_each_start_in_files_of_mode_0600(tmp_path: Path) -> None:
    made = []

    for _ in range(2):
        with _started(tmp_path) as process:
            address = process.stdout.readline().split()[-1] if process.stdout else ""
            made.append((tmp_path / "api-key").read_text(encoding="utf-8").strip())
            response = requests.get(
                f"{address}/api/v1/regions",
                headers={"Authorization": f"Bearer {made[-1]}"},
                timeout=WAIT_SECONDS,
            )
        assert response.status_code == 200

    assert made[0] != made[1]
    for name in ("api-key", "control-key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_T21_a_key_that_is_soon_guessed_is_refused_at_the_start(tmp_path: Path) -> None:
    with _started(tmp_path, "--api-key=secret") as process:
        _, complaint = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 2
    assert "16 characters" in complaint


def test_a_second_sandbox_does_not_start_in_the_same_folder(tmp_path: Path) -> None:
    with running_sandbox(tmp_path), _started(tmp_path) as second:
        _, complaint = second.communicate(timeout=WAIT_SECONDS)

    assert second.returncode == 2
    assert "Another sandbox" in complaint


def test_an_image_python_that_cannot_be_run_is_refused_at_the_start(tmp_path: Path) -> None:
    with _started(tmp_path, f"--image-python={tmp_path / 'python'}") as process:
        _, complaint = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 2
    assert "--image-python" in complaint


def test_the_image_python_is_python3_on_the_machines(tmp_path: Path) -> None:
    python = tmp_path / "my python"
    python.write_text('#!/bin/sh\necho "mine: $1"\n', encoding="utf-8")
    python.chmod(0o700)

    with running_sandbox(tmp_path / "cloud", boot_seconds=0, image_python=python) as sandbox:
        client = Client(sandbox)
        machine = client.launch_active()
        shown = client.run(machine["ip"], "python3 'an argument'")

    assert shown.stdout == "mine: an argument\n"


def test_the_sandbox_imports_neither_slipway_nor_django() -> None:
    script = (
        "import sys, sandbox.__main__;"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'django', 'core', 'config', 'deployments', 'datasets', 'secrets_vault'}))"
    )

    shown = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert shown.stdout == "[]\n"


def test_a_free_machine_is_not_lost_when_a_machine_vanishes(client: Client) -> None:
    place = {"instance_type": "gpu_1x_gh200", "region": "us-east-3"}
    client.control("POST", "capacity", {**place, "free": 1})
    offer = {"instance_type_name": "gpu_1x_gh200", "region_name": "us-east-3"}
    machine_id = client.launch(**offer)

    client.control("POST", f"machines/{machine_id}/vanish")

    wait_until(lambda: client.try_launch(**offer).status_code == 200)


@contextmanager
def _started(data_dir: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a sandbox that is given no keys."""
    environment = {name: value for name, value in os.environ.items() if "SANDBOX" not in name}
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "sandbox", "--port=0", f"--data-dir={data_dir}", *options],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
