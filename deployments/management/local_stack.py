"""A whole Slipway on this machine: sandbox cloud, web and worker as child processes.

``manage.py demo`` and ``manage.py run`` stand on it, and so do the end-to-end tests. It talks to
the parts as anybody would: over HTTP, by commands and signals, never by importing them.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import requests

from deployments.providers import PROVIDERS, rented

BASE_DIR = Path(__file__).resolve().parents[2]
SANDBOX_SSH_PORT = "2222"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
# A life in seconds: the sandbox boots at once, so nothing is worth waiting long for.
QUICK = {
    "POLL_SECONDS": "1",
    "PROOF_INTERVAL_SECONDS": "4",
    "VISIBILITY_WINDOW_SECONDS": "8",
    "SSH_RETRY_SECONDS": "1",
    "CAPACITY_RETRY_SECONDS": "3",
    "TERMINATE_RETRY_SECONDS": "1",
    "EXPECTED_BOOT_SECONDS": "60",
    "REQUEST_INTERVAL_SECONDS": "0.2",
    "LAUNCH_INTERVAL_SECONDS": "2",
    "HEARTBEAT_SECONDS": "2",
    "TICKER_SECONDS": "0.3",
}


class StackError(Exception):
    """A part of the local stack did not start or did not answer."""


class LocalStack:
    """Sandbox, web and worker over one data folder.

    ``reachable`` sets APP_URL to the web process, so that machines fetch their data over HTTP;
    without it everything goes over SSH.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        models_dir: Path,
        image_python: Path,
        reachable: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.image_python = image_python
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.sandbox_key = kept_secret(data_dir / "local" / "sandbox-key")
        self.control_key = kept_secret(data_dir / "local" / "sandbox-control-key")
        self.password = kept_secret(data_dir / "local" / "password")
        self.token = ""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = {"sandbox": free_port(), "web": free_port()}
        self._environment = {
            **{k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "APP_URL")},
            **QUICK,
            "SLIPWAY_DATA_DIR": str(data_dir),
            "LOCAL_MODELS_DIR": str(models_dir),
            **self._practice_clouds(),
            "ALLOW_CPU_MACHINES": "1",
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
            **({"APP_URL": self.url} if reachable else {}),
            **(extra or {}),
        }

    def _practice_clouds(self) -> dict[str, str]:
        """Return where each cloud's practice side is: at the path that its own address has."""
        found: dict[str, str] = {}
        for name in rented():
            path = urlsplit(PROVIDERS[name].default_endpoint().base_url).path
            found[f"{name.upper()}_API_BASE_URL"] = f"{self.sandbox_url}{path}"
            found[f"{name.upper()}_SSH_PORT"] = SANDBOX_SSH_PORT
        return found

    @property
    def url(self) -> str:
        """The address of the pages and the API."""
        return f"http://127.0.0.1:{self._ports['web']}"

    @property
    def environment(self) -> dict[str, str]:
        """What every process of this stack is told; for a process of one's own beside them."""
        return dict(self._environment)

    @property
    def sandbox_url(self) -> str:
        """The address of the sandbox cloud."""
        return f"http://127.0.0.1:{self._ports['sandbox']}"

    def start(self, *, user: str = "demo") -> None:
        """Start everything and make a user with a token; raises StackError with the log's place."""
        self.manage("migrate", "--verbosity", "0")
        self._make_user(user)
        self.token = self.manage("create_token", user).strip()
        self.start_sandbox()
        self.start_web()
        self.start_worker()

    def start_sandbox(self) -> None:
        """Start the sandbox cloud; its keys travel by environment, not where ``ps`` shows them."""
        self._spawn(
            "sandbox",
            [
                sys.executable,
                "-m",
                "sandbox",
                "--port",
                str(self._ports["sandbox"]),
                "--data-dir",
                str(self.data_dir / "sandbox"),
                "--image-python",
                str(self.image_python),
                "--boot-seconds",
                self._environment.get("SANDBOX_BOOT_SECONDS", "2"),
            ],
            extra={"SANDBOX_API_KEY": self.sandbox_key, "SANDBOX_CONTROL_KEY": self.control_key},
        )
        self._await("sandbox", f"{self.sandbox_url}/_sandbox/health")

    def start_web(self) -> None:
        """Start the web process."""
        self._spawn(
            "web",
            [
                sys.executable,
                "-m",
                "gunicorn",
                "config.wsgi",
                "--bind",
                f"127.0.0.1:{self._ports['web']}",
                "--worker-class",
                "gthread",
                "--threads",
                "8",
                # The largest upload is checked within its request, which takes about 20 s.
                "--timeout",
                "120",
            ],
        )
        self._await("web", f"{self.url}/login/")

    def start_worker(self) -> None:
        """Start the worker."""
        self._spawn("worker", [sys.executable, "manage.py", "worker"])

    def kill_worker(self) -> None:
        """SIGKILL the worker and everything it started, as a power cut would."""
        worker = self._processes.pop("worker")
        for pid in [worker.pid, *descendants(worker.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.wait()

    def stop(self) -> None:
        """Stop the worker first, so that nothing is launched while the rest ends."""
        for name in ("worker", "web", "sandbox"):
            process = self._processes.pop(name, None)
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                for pid in [process.pid, *descendants(process.pid)]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()

    def is_running(self, name: str) -> bool:
        """Whether that part (sandbox, web or worker) has not ended."""
        return self._processes[name].poll() is None

    def ended(self) -> str:
        """Return the name of a part that ended by itself, else nothing."""
        return next((n for n, p in self._processes.items() if p.poll() is not None), "")

    def manage(self, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        """Run a manage.py command and return what it printed."""
        done = subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env={**self._environment, **(extra or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"manage.py {arguments[0]} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def api(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Any:
        """Call the REST API as the user and return the JSON; raises StackError with its words."""
        answer = requests.request(
            method,
            f"{self.url}/api/{path}",
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
            timeout=60,
            allow_redirects=False,
            **options,
        )
        if not answer.ok:
            raise StackError(f"{method} /api/{path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json() if answer.content else None

    def control(self, method: str, path: str, **options: Any) -> Any:
        """Ask the sandbox's control endpoint; returns the JSON."""
        answer = requests.request(
            method,
            f"{self.sandbox_url}/_sandbox/{path}",
            headers={"X-Sandbox-Control": self.control_key},
            timeout=30,
            **options,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def _make_user(self, user: str) -> None:
        email = f"{user}@example.org"
        arguments = ["createsuperuser", "--noinput", "--username", user, "--email", email]
        try:
            self.manage(*arguments, extra={"DJANGO_SUPERUSER_PASSWORD": self.password})
        except StackError as error:
            if "already taken" not in str(error):
                raise

    def _spawn(
        self, name: str, command: list[str], *, extra: Mapping[str, str] | None = None
    ) -> None:
        with (self.data_dir / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603  # our own command
                command,
                cwd=BASE_DIR,
                env={**self._environment, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal reaches us alone; we then stop the parts in order.
                start_new_session=True,
            )

    def _await(self, name: str, url: str) -> None:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            if self._processes[name].poll() is not None:
                break
            with contextlib.suppress(requests.RequestException):
                if requests.get(url, timeout=2, allow_redirects=False).status_code < 500:
                    return
            time.sleep(0.1)
        log = self.data_dir / f"{name}.log"
        text = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise StackError(f"The {name} did not start; see {log}:\n{text}")


@contextlib.contextmanager
def running(stack: LocalStack) -> Iterator[LocalStack]:
    """Start the stack, hand it over, and stop it whatever happens."""
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def kept_secret(path: Path) -> str:
    """Return the random text kept in a private file, made the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(18), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def descendants(pid: int) -> list[int]:
    """Return the process ids of all children of a process, and of theirs."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
