"""What a machine or a cloud has just told is written although the database was busy (F76)."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core import database
from deployments.lifecycle.lease import Lease
from deployments.models import Event, LogLine, RunState
from deployments.models.deployments import Status
from deployments.run_log import ingest
from tests import builders
from tests.core.locks import hold, impatient, let_go, somebody_else

# Not inside a transaction of the test's own: the lock is another connection's.
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def busy(monkeypatch: pytest.MonkeyPatch, table: str) -> Iterator[list[None]]:
    """Keep a table locked until the first try has failed; hand out what counts such pauses."""
    pauses: list[None] = []
    with impatient(), somebody_else() as other:

        def pause() -> None:
            if not pauses:
                let_go(other)
            pauses.append(None)

        hold(other, table)
        monkeypatch.setattr(database, "pause", pause)
        yield pauses


def test_I10_news_of_a_machine_that_met_a_lock_is_taken_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = builders.make_machine()
    news = [{"seq": seq, "kind": "log", "text": f"line {seq}"} for seq in (1, 2, 3)]

    # The last that is written: all before it is undone and done again.
    with busy(monkeypatch, "log_lines") as pauses:
        taken = ingest(machine, news)

    assert (taken.accepted_through, taken.new_events, len(pauses)) == (3, 3, 1)
    assert sorted(LogLine.objects.values_list("seq", flat=True)) == [1, 2, 3]
    assert RunState.objects.get().accepted_through == 3


def test_a_status_that_met_a_lock_is_written_with_one_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = builders.make_deployment(status=Status.QUEUED)
    lease = Lease.take(deployment.pk, purpose="tick", seconds=50)
    assert lease is not None
    event = lease.event("launching", "Asking the cloud.", to=Status.LAUNCHING)

    with busy(monkeypatch, "local_training_jobs") as pauses:
        lease.write(event=event, to=Status.LAUNCHING)

    assert len(pauses) == 1
    deployment.refresh_from_db()
    assert deployment.status == deployment.job.status == Status.LAUNCHING
    assert Event.objects.get(kind="launching").to_status == Status.LAUNCHING
