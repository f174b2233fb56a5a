"""A machine for each test, and the promise that no test leaves a thread of ours behind."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.remote import Limits
from tests.deployments.remote.machine import Machine, running_machine

# Only there to end a broken test; a machine that does other things may take its time.
PATIENCE_SECONDS = 60
# Each test of silence shortens the one limit that it is about.
PATIENT = Limits(
    connect_seconds=PATIENCE_SECONDS,
    banner_seconds=PATIENCE_SECONDS,
    auth_seconds=PATIENCE_SECONDS,
    channel_seconds=PATIENCE_SECONDS,
    idle_seconds=PATIENCE_SECONDS,
    step_seconds=PATIENCE_SECONDS,
    kill_seconds=1,
    grace_seconds=PATIENCE_SECONDS,
)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail a test after which a thread of the SSH library or of ours still runs."""
    before = set(threading.enumerate())

    yield

    give_up = time.monotonic() + PATIENCE_SECONDS
    while left := [thread for thread in threading.enumerate() if thread not in before]:
        assert time.monotonic() < give_up, left
        time.sleep(0.01)


@pytest.fixture
def machine(tmp_path: Path, no_thread_is_left: None) -> Iterator[Machine]:
    with running_machine(tmp_path / "home") as machine:
        yield machine
