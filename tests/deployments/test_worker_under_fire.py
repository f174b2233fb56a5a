"""A real worker whose parts are killed: what waits is done all the same (F8, F9, F10, F75)."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.time import database_now
from deployments import tasks
from deployments.models import Deployment
from deployments.models.deployments import Status
from tests import builders
from tests.deployments.processes import PATIENCE_SECONDS, Worker, enqueue, is_alive, until, worker

pytestmark = [
    pytest.mark.full,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("worker"),
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Worker]:
    with worker(tmp_path / "worker") as started:
        yield started


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def test_F9_a_queue_whose_idle_processes_were_killed_is_started_again_and_does_what_waits(
    running: Worker, tmp_path: Path
) -> None:
    told = tmp_path / "waiting"
    until(lambda: len(running.idle()) == 2)
    for process in running.idle():
        process.kill()
    enqueue("mark", told)

    until(lambda: bool(lines(told)), told=running.log)

    assert "Queue default takes no tasks; killing and starting it again" in running.log()
    assert "Queue ssh takes no tasks" not in running.log()
    assert lines(told) == ["done"]


def test_F9_a_worker_that_stalls_is_seen_though_another_serves_the_same_queue(
    running: Worker, tmp_path: Path
) -> None:
    with worker(tmp_path / "other") as other:
        until(lambda: len(running.idle()) == 2)
        for process in running.idle():
            process.kill()

        until(lambda: "Queue default takes no tasks" in running.log(), told=running.log)

        assert "takes no tasks" not in other.log()


def test_F75_a_queue_whose_main_process_was_killed_is_started_again_without_orphans(
    running: Worker, tmp_path: Path
) -> None:
    told = tmp_path / "waiting"
    mains = running.process.children()
    below = [each for main in mains for each in main.children(recursive=True)]
    for main in mains:
        main.kill()
    until(lambda: not [each for each in below if is_alive(each)], told=running.log)
    enqueue("mark", told)

    until(lambda: bool(lines(told)), told=running.log)

    assert lines(told) == ["done"]


def test_F75_when_a_worker_and_the_mains_of_its_queues_are_killed_at_once_nothing_lives_on(
    running: Worker,
) -> None:
    until(lambda: len(running.idle()) == 2)
    mains = running.process.children()
    below = [each for main in mains for each in main.children(recursive=True)]
    for each in (running.process, *mains):
        each.kill()

    until(lambda: not [each for each in below if is_alive(each)], told=running.log)


def test_a_stalled_queue_does_not_keep_the_worker_from_stopping_cleanly(running: Worker) -> None:
    until(lambda: len(running.idle()) == 2)
    before = running.tree()
    for process in running.idle():
        process.kill()

    running.process.send_signal(signal.SIGTERM)

    assert running.process.wait(timeout=PATIENCE_SECONDS) == 0
    assert not [each for each in before if is_alive(each)]


def test_F8_a_task_that_kills_its_process_runs_once_and_does_not_stop_the_others(
    running: Worker, tmp_path: Path
) -> None:
    told = [tmp_path / f"other-{number}" for number in range(12)]
    for number, path in enumerate(told):
        enqueue("kill_worker", tmp_path / f"killer-{number}")
        enqueue("mark", path)

    until(lambda: all(path.exists() for path in told), told=running.log)
    until(lambda: tasks.queue_depths()["default"] == 0, told=running.log)

    assert all(lines(path) == ["done"] for path in told)
    assert all(lines(tmp_path / f"killer-{number}") == ["killed"] for number in range(12))


def test_F10_a_poisoned_deployment_asks_for_attention_while_the_others_are_looked_at(
    tmp_path: Path,
) -> None:
    past = database_now() - timedelta(seconds=5)
    job = builders.make_job()
    # A status that nobody knows: each tick of this row fails in our own code.
    poisoned = builders.make_deployment(job=job, status="unheard-of", next_tick_at=past)
    others = [
        builders.make_deployment(job=job, status=Status.TRAINING, next_tick_at=past, landing="x")
        for _ in range(3)
    ]

    with worker(tmp_path / "worker", extra={"CLAIM_SECONDS": "1"}) as running:
        ids = [deployment.pk for deployment in others]
        looked_at = Deployment.objects.filter(pk__in=ids, last_tick_at__isnull=False)
        until(lambda: looked_at.count() == len(others), told=running.log)
        Deployment.objects.filter(pk=poisoned.pk).update(failed_ticks=4, next_tick_at=past)
        attention = Deployment.objects.filter(pk=poisoned.pk, attention__isnull=False)
        until(attention.exists, told=running.log)
        since = database_now()
        looked_at.update(next_tick_at=past)
        until(
            lambda: looked_at.filter(last_tick_at__gt=since).count() == len(others),
            told=running.log,
        )

    poisoned.refresh_from_db()
    assert poisoned.status == "unheard-of"
    assert poisoned.failed_ticks >= 5


def test_F20_two_workers_share_what_is_due(running: Worker, tmp_path: Path) -> None:
    with worker(tmp_path / "other") as other:
        told = [tmp_path / f"task-{number}" for number in range(60)]
        for path in told:
            enqueue("take_time", path, 0.1)
        until(lambda: all(path.exists() for path in told), told=running.log)
        os.killpg(other.process.pid, signal.SIGINT)
        assert other.process.wait(timeout=PATIENCE_SECONDS) == 0
        until(lambda: all(lines(path)[1:] for path in told), told=running.log)

    assert all(lines(path) == ["began", "ended"] for path in told)
