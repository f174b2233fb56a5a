"""A real worker on the test's database: it stops cleanly, and nothing of it stays behind (F9)."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import tasks
from deployments.models import WorkerHeartbeat
from tests.deployments.processes import PATIENCE_SECONDS, Worker, enqueue, is_alive, until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("worker")]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Worker]:
    # No test here is about a stall: a busy machine must not be taken for one.
    with worker(tmp_path / "worker", extra={"STALL_LIMIT_SECONDS": "120"}) as started:
        yield started


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, id="SIGTERM"),
        # Ctrl-C goes to the whole group of the terminal's foreground.
        pytest.param(signal.SIGINT, id="Ctrl-C"),
    ],
)
def test_a_stop_lets_the_running_task_end_and_leaves_no_process(
    running: Worker, tmp_path: Path, number: signal.Signals
) -> None:
    told, let = tmp_path / "slow", tmp_path / "let"
    enqueue("take_time_once_let", told, let, 1)
    until(lambda: lines(told) == ["began"], told=running.log)
    before = running.tree()

    if number == signal.SIGINT:
        os.killpg(running.process.pid, number)
    else:
        running.process.send_signal(number)
    let.touch()

    assert running.process.wait(timeout=PATIENCE_SECONDS) == 0
    assert lines(told) == ["began", "ended"]
    assert len(before) > 8
    assert not [each for each in before if is_alive(each)]
    # Each queue's beat, and its own, tell which worker it was.
    names = set(WorkerHeartbeat.objects.values_list("name", flat=True))
    ours = next(name for name in names if name.startswith("worker:")).removeprefix("worker:")
    assert {tasks.queue_beat(queue, worker=ours) for queue in tasks.QUEUES} <= names


def test_F75_the_supervisors_children_end_by_themselves_when_it_is_killed(
    running: Worker, tmp_path: Path
) -> None:
    told, let = tmp_path / "slow", tmp_path / "let"
    enqueue("take_time_once_let", told, let, 1)
    until(lambda: lines(told) == ["began"], told=running.log)
    before = running.tree()

    running.process.kill()
    running.process.wait()
    let.touch()

    until(lambda: not [each for each in before if is_alive(each)], told=running.log)
    assert lines(told) == ["began", "ended"]
