"""Real processes on PostgreSQL: it stops in mid-run, and two workers share it (F20, F76, F77)."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from deployments.management.local_stack import BASE_DIR, LocalStack, descendants, running
from deployments.management.verdict import judge
from tests.end_to_end.test_kills import SHORT_LEASES, at, deploy, make_stack, until
from tests.postgresql import PostgreSQL, running_postgresql

pytestmark = pytest.mark.full
OUTAGE_SECONDS = 20


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    with running_postgresql() as started:
        yield started


def assert_ended_well(stack: LocalStack, ended: dict[str, Any]) -> None:
    verdict = judge(stack, ended)
    assert verdict.is_good, [check.text for check in verdict.checks if not check.ok]
    assert len(stack.control("GET", "ledger")["entries"]) == 1


@pytest.mark.parametrize("status", ["launching", "training"])
def test_F77_a_database_that_stops_in_mid_run_delays_it_and_nothing_else(
    tmp_path: Path, server: PostgreSQL, status: str
) -> None:
    stack = make_stack(tmp_path, extra={"DATABASE_URL": server.url(), **SHORT_LEASES})
    with running(stack):
        # The launch is accepted while the database is away: its answer cannot be written down.
        fault = {"on": "launch", "kind": "delay", "seconds": 3, "commit": True}
        stack.control("POST", "faults", json=fault)
        deployment = deploy(stack)
        now = until(stack, deployment, at(status))
        assert now["status"] == status, f"missed {status}: {now['status']}"
        if status == "launching":
            while not any(
                request["path"].endswith("/launch")
                for request in stack.control("GET", "requests")["requests"]
            ):
                time.sleep(0.1)

        server.stop()
        time.sleep(OUTAGE_SECONDS)
        # No part gave up, and the web process says what it misses.
        assert stack.ended() == ""
        assert requests.get(f"{stack.url}/readyz", timeout=30).status_code == 503
        server.start()

        ended = until(stack, deployment)
        assert_ended_well(stack, ended)
        assert ended["attention"] is None


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_F20_two_workers_on_one_database_drive_one_run_on_one_machine(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    extra = {}
    if database == "postgresql":
        extra["DATABASE_URL"] = request.getfixturevalue("server").url()
    stack = make_stack(tmp_path, extra=extra)
    with running(stack), second_worker(stack) as other:
        ended = until(stack, deploy(stack))

        assert_ended_well(stack, ended)
        assert other.poll() is None
        other.terminate()
        assert other.wait(timeout=90) == 0


@contextlib.contextmanager
def second_worker(stack: LocalStack) -> Iterator[subprocess.Popen[bytes]]:
    """Run another worker on the stack's database; nothing of it stays."""
    with (stack.data_dir / "worker-2.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=BASE_DIR,
            env=stack.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield worker
    finally:
        for pid in [*descendants(worker.pid), *([] if worker.poll() is not None else [worker.pid])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.wait()
