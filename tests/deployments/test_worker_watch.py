"""When a queue's processes are started again, and when they are left alone (F9, F77)."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError

from deployments import tasks, worker
from deployments.timing import Timing
from deployments.worker import QueueProcess, Supervisor
from tests.builders import NOON

IMPATIENT = Timing(stall_limit_seconds=0.0, canary_seconds=0.0)
PATIENT = Timing(stall_limit_seconds=60.0, canary_seconds=0.0)


class Beats:
    """What the database says of the queue's last sign of life; an error if it is away."""

    def __init__(self) -> None:
        self.last: datetime | None = None
        self.error: Exception | None = None
        self.canaries: list[str] = []
        self.offered: list[str] = []

    def last_beat(self, name: str) -> datetime | None:
        if self.error is not None:
            raise self.error
        assert name == "queue:ssh@here:1"
        return self.last


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> Beats:
    beats = Beats()
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(tasks, "queue_command", lambda queue, worker: (command, dict(os.environ)))
    monkeypatch.setattr(tasks, "last_beat", beats.last_beat)
    monkeypatch.setattr(tasks, "send_canary", beats.canaries.append)
    monkeypatch.setattr(tasks, "offer_again", beats.offered.append)
    monkeypatch.setattr(worker, "database_now", lambda: NOON)
    return beats


@pytest.fixture
def queue(beats: Beats) -> Iterator[QueueProcess]:
    queue = QueueProcess("ssh", worker="here:1")
    queue.start()
    yield queue
    queue.kill()


@pytest.mark.parametrize("last", [None, NOON - timedelta(seconds=1)], ids=["never", "long ago"])
def test_F9_a_queue_without_a_beat_is_started_again_and_its_tasks_are_offered_again(
    queue: QueueProcess, beats: Beats, last: datetime | None, caplog: pytest.LogCaptureFixture
) -> None:
    beats.last = last

    queue.watch(timing=IMPATIENT)

    assert beats.offered == ["ssh"]
    assert "takes no tasks" in caplog.text
    assert not queue.has_ended()


def test_a_queue_that_has_just_started_is_given_time(queue: QueueProcess, beats: Beats) -> None:
    queue.watch(timing=PATIENT)

    assert beats.offered == []
    assert beats.canaries == ["ssh"]


def test_a_queue_that_beats_is_left_alone(queue: QueueProcess, beats: Beats) -> None:
    beats.last = NOON

    queue.watch(timing=IMPATIENT)

    assert beats.offered == []
    assert beats.canaries == ["ssh"]


def test_F75_a_queue_whose_processes_ended_is_started_again(
    queue: QueueProcess, beats: Beats
) -> None:
    queue.kill()

    queue.watch(timing=PATIENT)

    assert beats.offered == ["ssh"]
    assert not queue.has_ended()


def test_F77_a_database_that_was_away_is_no_stall(
    queue: QueueProcess, beats: Beats, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    beats.error = OperationalError("server closed the connection unexpectedly")
    now += PATIENT.stall_limit_seconds + 1
    with pytest.raises(OperationalError):
        queue.watch(timing=PATIENT)
    beats.error = None

    now += PATIENT.stall_limit_seconds - 1
    queue.watch(timing=PATIENT)
    assert beats.offered == []

    now += 1
    queue.watch(timing=PATIENT)
    assert beats.offered == ["ssh"]


def test_F77_nothing_ends_the_supervisor_and_an_outage_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor()
    errors = iter([OperationalError("connection refused"), RuntimeError("a bug")])
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)

    def beat(name: str) -> None:
        raise next(errors)

    monkeypatch.setattr(tasks, "beat", beat)

    with caplog.at_level(logging.WARNING):
        supervisor.guarded(supervisor.beat)
        supervisor.guarded(supervisor.beat)

    away, bug = caplog.records
    assert (away.levelname, away.exc_info) == ("WARNING", None)
    assert "connection refused" in away.getMessage()
    assert bug.levelname == "ERROR"
    assert bug.exc_info
