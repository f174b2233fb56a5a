"""Real processes of ours over the test's database: workers, and any number of plain Pythons."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connection
from django_q.models import OrmQ
from django_q.tasks import async_task

from deployments.models import WorkerHeartbeat

ROOT = Path(settings.BASE_DIR)
TASKS = "tests.deployments.worker_tasks"
# A stall is seen in seconds; a queue must not take longer than that to start on a busy machine.
QUICK = {
    "TICKER_SECONDS": "0.2",
    "CANARY_SECONDS": "0.5",
    "STALL_LIMIT_SECONDS": "20",
    "LOG_LEVEL": "WARNING",
}
PATIENCE_SECONDS = 180.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process that works on the database of this test."""
    return {**os.environ, **QUICK, "DATABASE_URL": database_url(), **(extra or {})}


def database_url() -> str:
    """Return the address of the database that Django made for the tests."""
    described = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{described['NAME']}"
    host = described["HOST"] or described["OPTIONS"].get("host", "")
    user = f"{described['USER']}:{described['PASSWORD']}"
    return f"postgresql://{user}@/{described['NAME']}?host={host}"


class Worker:
    """One ``manage.py worker`` with everything it starts."""

    def __init__(self, log: Path, *, extra: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as file:
            self.process = psutil.Popen(
                [sys.executable, "manage.py", "worker"],
                cwd=ROOT,
                env=environment(extra),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._known: set[psutil.Process] = {psutil.Process(self.process.pid)}

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def beats(self) -> bool:
        """Whether its supervisor has shown that it lives."""
        return WorkerHeartbeat.objects.filter(name__endswith=f":{self.process.pid}").exists()

    def tree(self) -> set[psutil.Process]:
        """Return every process it has or had, as far as it lives; zombies are over."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._known |= set(self.process.children(recursive=True))
        return {each for each in self._known if is_alive(each)}

    def idle(self) -> list[psutil.Process]:
        """Return the processes that wait for a task, of the queue for quick ones."""
        (first, *_) = sorted(self.process.children(), key=lambda child: child.create_time())
        self.tree()
        return [each for each in first.children(recursive=True) if title(each).endswith(" idle")]

    def kill(self) -> None:
        """End all of it, whatever state it is in."""
        for each in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()


@contextlib.contextmanager
def worker(folder: Path, *, extra: Mapping[str, str] | None = None) -> Iterator[Worker]:
    """Run a worker that has shown that it beats and both queues take tasks; nothing of it stays."""
    folder.mkdir(exist_ok=True)
    running = Worker(folder / "worker.log", extra=extra)
    try:
        # Another worker may do the tasks below; a Ctrl-C among its imports Python may lose.
        until(running.beats, told=running.log)
        for queue in ("default", "ssh"):
            done = folder / f"{queue}-serves"
            enqueue("mark", done, queue=queue)
            until(done.exists, told=running.log)
        yield running
    finally:
        running.kill()
        OrmQ.objects.all().delete()


def enqueue(task: str, *arguments: object, queue: str = "default") -> None:
    """Put one of the tests' own tasks into a queue."""
    async_task(f"{TASKS}.{task}", *(str(each) for each in arguments), cluster=queue)


def until(reached: Callable[[], bool], *, told: Callable[[], str] = str) -> None:
    """Wait until that is so; a machine that runs other tests may take its time."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < give_up, f"not reached; {told()[-3000:]}"
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def title(process: psutil.Process) -> str:
    """Return what ``ps`` shows; django-q2's processes say there what they are doing."""
    try:
        return " ".join(process.cmdline()).rstrip()
    except psutil.NoSuchProcess:
        return ""


def run_all(count: int, code: str, *, extra: Mapping[str, str] | None = None) -> list[list[str]]:
    """Let ``count`` Pythons run the code, all starting together; return the lines of each.

    The code runs inside ``work()``; what it prints is what is returned.
    """
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    script = f"{_PRELUDE}\ndef work():\n{body}\n\nready()\nwork()\n"
    started = [
        subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment(extra),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=PATIENCE_SECONDS)[0] for process in started]
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert [process.returncode for process in started] == [0] * count
    return [answer.split() for answer in answers]


_PRELUDE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import connection
from core.time import database_now
from deployments import tasks
from deployments.lifecycle.lease import Lease, LeaseLostError
from deployments.models import Deployment
def ready():
    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
"""
