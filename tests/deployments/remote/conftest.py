"""A machine for each test, and the promise that no test leaves a thread of ours behind."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.remote import Limits
from tests.deployments.remote.machine import Machine, running_machine

# Short enough for tests of silence, long enough for a busy machine.
QUICK = Limits(
    connect_seconds=1.5,
    banner_seconds=1.5,
    auth_seconds=1.5,
    channel_seconds=1.5,
    idle_seconds=1.5,
    step_seconds=3,
    kill_seconds=1,
    grace_seconds=0.5,
)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail a test after which a thread of the SSH library or of ours still runs."""
    before = set(threading.enumerate())

    yield

    assert [thread for thread in threading.enumerate() if thread not in before] == []


@pytest.fixture
def machine(tmp_path: Path, no_thread_is_left: None) -> Iterator[Machine]:
    with running_machine(tmp_path / "home") as machine:
        yield machine
