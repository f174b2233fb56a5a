"""A real sandbox cloud for tests: ``python -m sandbox`` as a process of its own.

with running_sandbox(tmp_path) as sandbox:
    requests.get(f"{sandbox.base_url}/instances", headers=sandbox.authorization)
    sandbox.control("POST", "faults", {"on": "launch", "kind": "capacity"})
"""

import os
import secrets
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

REPOSITORY = Path(__file__).resolve().parents[1]
# Only there to end a broken test; a machine that does other things may take its time.
START_SECONDS = ANSWER_SECONDS = 90.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class SandboxHandle:
    """A running sandbox: Lambda's API at ``base_url``, the truth through ``control``."""

    root_url: str
    api_key: str
    control_key: str
    process: "subprocess.Popen[str]"

    @property
    def base_url(self) -> str:
        """Return where Lambda's API is, with its version, as a provider's base URL is given."""
        return f"{self.root_url}/api/v1"

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def control(self, method: str, path: str, json: object = None) -> Any:
        """Call a control endpoint ("faults", "ledger", ...) and return its JSON.

        See sandbox/control.py; raises requests.HTTPError when the sandbox refuses.
        """
        response = requests.request(
            method,
            f"{self.root_url}/_sandbox/{path.lstrip('/')}",
            headers={"X-Sandbox-Control": self.control_key},
            json=json,
            timeout=ANSWER_SECONDS,
        )
        response.raise_for_status()
        return response.json()


@contextmanager
def running_sandbox(
    data_dir: Path,
    *,
    image_python: Path | str | None = None,
    boot_seconds: float = 0.2,
    terminate_seconds: float = 0.1,
    port: int = 0,
    **options: float | bool,
) -> Iterator[SandboxHandle]:
    """Run a sandbox on a free port until the end of the block.

    Further options are those of the command line with underscores, such as
    ``terminated_visible_seconds=1`` or ``rate_limits=True``. What it writes on stderr is in
    ``data_dir/sandbox.log``.
    """
    api_key, control_key = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    options = {"boot_seconds": boot_seconds, "terminate_seconds": terminate_seconds, **options}
    command = [sys.executable, "-m", "sandbox", f"--port={port}", f"--data-dir={data_dir}"]
    if image_python is not None:
        command.append(f"--image-python={image_python}")
    command += [_option(name, value) for name, value in options.items() if value is not False]
    # In the environment, not in the process list (T16).
    keys = {"SANDBOX_API_KEY": api_key, "SANDBOX_CONTROL_KEY": control_key}
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "sandbox.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=REPOSITORY,
            env={**os.environ, **keys},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        root_url = _read_address(process, log_file=data_dir / "sandbox.log")
        yield SandboxHandle(root_url, api_key, control_key, process)
    finally:
        _stop(process)


def _option(name: str, value: float | bool) -> str:
    flag = "--" + name.replace("_", "-")
    return flag if value is True else f"{flag}={value}"


def _read_address(process: "subprocess.Popen[str]", *, log_file: Path) -> str:
    """Return the address that the sandbox prints when it listens."""
    if process.stdout is None:
        raise RuntimeError("The sandbox was started without a pipe.")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(START_SECONDS) else ""
    if "http://" not in line:
        raise RuntimeError(f"The sandbox did not start: {log_file.read_text(encoding='utf-8')}")
    return line.split()[-1]


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
