"""The ticker: what is due is enqueued once, by ids alone, and nothing due is forgotten (D6)."""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signals import pre_execute
from django_q.tasks import async_task

from core.time import database_now
from deployments import tasks
from deployments.lifecycle.actions import Effect
from deployments.models import CloudSnapshot, Deployment, WorkerHeartbeat
from deployments.models.deployments import TERMINAL, Status
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
from tests import builders
from tests.deployments.lifecycle.threads import at_once

TIMING = Timing()
LIVE = sorted(set(Status) - TERMINAL)


@pytest.fixture
def _empty_queue() -> Iterator[None]:
    OrmQ.objects.all().delete()
    yield
    OrmQ.objects.all().delete()


def queued() -> list[tuple[str, str, tuple[Any, ...]]]:
    """Return queue, function and arguments of each task that waits."""
    rows = OrmQ.objects.order_by("pk")
    return [(row.key, row.task["func"].rsplit(".", 1)[1], row.task["args"]) for row in rows]


def due(seconds_ago: float = 1, **fields: Any) -> Deployment:
    moment = database_now() - timedelta(seconds=seconds_ago)
    return builders.make_deployment(**({"next_tick_at": moment} | fields))


def snapshot_of(entry: VaultEntry, **fields: Any) -> CloudSnapshot:
    return CloudSnapshot.objects.create(vault_entry=entry, **fields)


@pytest.mark.django_db
class TestTicks:
    """Deployments whose moment has come."""

    @pytest.mark.parametrize("status", LIVE)
    def test_D6_what_is_due_is_enqueued_by_its_id_and_put_off(self, status: Status) -> None:
        deployment = due(status=status)

        claimed = tasks.claim_due()

        deployment.refresh_from_db()
        assert claimed == 1
        assert queued() == [("default", "tick", (str(deployment.pk),))]
        assert deployment.next_tick_at is not None
        left = (deployment.next_tick_at - database_now()).total_seconds()
        assert TIMING.claim_seconds - 2 < left <= TIMING.claim_seconds

    def test_what_is_not_due_waits(self) -> None:
        due(seconds_ago=-60)

        assert tasks.claim_due() == 0

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_I4_what_is_over_is_never_enqueued(self, status: Status) -> None:
        due(status=status)

        assert tasks.claim_due() == 0

    def test_I9_a_live_deployment_without_a_next_look_is_found_all_the_same(self) -> None:
        deployment = builders.make_deployment(status=Status.TRAINING, next_tick_at=None)

        assert tasks.claim_due() == 1

        deployment.refresh_from_db()
        assert deployment.next_tick_at is not None

    def test_F2_a_task_that_was_lost_is_enqueued_again(self) -> None:
        deployment = due()
        tasks.claim_due()
        OrmQ.objects.all().delete()
        Deployment.objects.update(next_tick_at=database_now())

        assert tasks.claim_due() == 1
        assert queued() == [("default", "tick", (str(deployment.pk),))]

    def test_I9_of_more_than_one_claim_takes_the_longest_due_come_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks, "CLAIMED_AT_ONCE", 2)
        job = builders.make_job()
        last, first, second = (due(seconds, job=job) for seconds in (1, 90, 30))

        tasks.claim_due()

        assert [args for _, _, args in queued()] == [(str(first.pk),), (str(second.pk),)]
        assert last.next_tick_at is not None

    def test_F3_a_claim_that_rolls_back_leaves_no_task(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deployment = due()

        def enqueued_then_failed(*args: Any, **kwargs: Any) -> None:
            async_task(*args, **kwargs)
            raise RuntimeError("the database went away")

        monkeypatch.setattr(tasks, "async_task", enqueued_then_failed)
        with pytest.raises(RuntimeError):
            tasks.claim_due()

        before = deployment.next_tick_at
        deployment.refresh_from_db()
        assert queued() == []
        assert deployment.next_tick_at == before


@pytest.mark.django_db
class TestLists:
    """Keys whose list is due."""

    def test_a_key_with_a_live_deployment_is_listed(self) -> None:
        deployment = due(seconds_ago=-60)
        row = snapshot_of(deployment.vault_entry, next_list_at=database_now())

        tasks.claim_due()

        row.refresh_from_db()
        assert ("default", "list_cloud", (str(deployment.vault_entry_id),)) in queued()
        assert row.next_list_at is not None

    def test_a_key_that_needs_no_lists_is_put_to_rest(self) -> None:
        row = snapshot_of(builders.make_vault_entry(), next_list_at=database_now())

        assert tasks.claim_due() == 0

        row.refresh_from_db()
        assert row.next_list_at is None

    def test_F80_a_key_that_does_not_open_does_not_keep_others_from_being_listed(self) -> None:
        bad, good = due(), due()
        for deployment in (bad, good):
            snapshot_of(deployment.vault_entry, next_list_at=database_now())
        VaultEntry.objects.filter(pk=bad.vault_entry_id).update(api_key_encrypted="garbage")

        tasks.claim_due()

        listed = {args[0] for _, name, args in queued() if name == "list_cloud"}
        assert listed == {str(bad.vault_entry_id), str(good.vault_entry_id)}

    def test_D7_an_account_that_is_listed_is_swept_each_minute(self) -> None:
        deployment = due(seconds_ago=-60)
        later = database_now() + timedelta(seconds=30)
        row = snapshot_of(deployment.vault_entry, next_list_at=later)

        swept = [tasks.claim_due(), tasks.claim_due()]

        row.refresh_from_db()
        assert swept == [1, 0]
        assert queued() == [("default", "sweep", (str(deployment.vault_entry_id),))]
        assert row.next_sweep_at is not None

    def test_an_account_at_rest_is_not_swept(self) -> None:
        snapshot_of(builders.make_vault_entry(), next_list_at=None)

        assert tasks.claim_due() == 0


@pytest.mark.django_db
class TestHandOver:
    """From the queue that must stay quick to the one that may wait for SSH."""

    def test_what_needs_ssh_is_handed_to_its_queue(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "advance", lambda pk, *, may_block: Effect.FOLLOW)

        tasks.tick("some-id")

        assert queued() == [("ssh", "slice_of_work", ("some-id",))]

    def test_D6_nothing_else_has_a_successor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[bool] = []

        def advance(pk: str, *, may_block: bool) -> None:
            asked.append(may_block)

        monkeypatch.setattr(tasks, "advance", advance)

        tasks.tick("some-id")
        tasks.slice_of_work("some-id")

        assert queued() == []
        assert asked == [False, True]

    def test_T9_tasks_take_ids_and_names_and_nothing_else(self) -> None:
        for task in (tasks.tick, tasks.slice_of_work, tasks.list_cloud, tasks.sweep):
            (parameter,) = inspect.signature(task).parameters.values()
            assert parameter.annotation is str


@pytest.mark.django_db
class TestSignsOfLife:
    """Canaries and beats."""

    @pytest.mark.parametrize("queue", tasks.QUEUES)
    def test_a_canary_goes_through_its_queue_and_beats(self, queue: str) -> None:
        tasks.send_canary(queue)
        ((key, name, args),) = queued()
        getattr(tasks, name)(*args)

        assert key == queue
        beaten = tasks.last_beat(f"queue:{queue}")
        assert beaten is not None
        assert database_now() - beaten < timedelta(seconds=10)

    def test_a_beat_replaces_the_one_before(self) -> None:
        for _ in range(2):
            tasks.beat("worker:here:1")

        assert WorkerHeartbeat.objects.count() == 1
        assert tasks.last_beat("worker:elsewhere:1") is None


def test_a_queue_is_named_in_the_environment_of_its_process() -> None:
    command, environment = tasks.queue_command("ssh", worker="here:1")

    assert command[-3:] == ["worker", "--queue", "ssh"]
    assert environment["Q_CLUSTER_NAME"] == "ssh"
    assert environment["SLIPWAY_WORKER"] == "here:1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_empty_queue")
def test_D6_two_tickers_at_once_enqueue_each_due_row_once() -> None:
    job = builders.make_job()
    deployments = [due(job=job) for _ in range(8)]
    snapshot_of(deployments[0].vault_entry, next_list_at=database_now())

    claimed = at_once(3, tasks.claim_due)

    ticks = [args[0] for _, name, args in queued() if name == "tick"]
    assert sorted(ticks) == sorted(str(deployment.pk) for deployment in deployments)
    assert [name for _, name, _ in queued()].count("list_cloud") == 1
    assert [name for _, name, _ in queued()].count("sweep") == 1
    assert sum(claimed) == 10


@pytest.mark.django_db
class TestTaking:
    """Each task runs at most once for each time it is handed out."""

    def test_F8_a_task_is_off_its_queue_before_it_runs(self) -> None:
        tasks.send_canary("default")
        row = OrmQ.objects.get()

        pre_execute.send(sender="django_q", func=None, task={"name": "x", "ack_id": row.pk})

        assert queued() == []

    def test_each_task_shows_that_its_own_workers_queue_lives(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SLIPWAY_WORKER", "here:1")
        monkeypatch.setenv("Q_CLUSTER_NAME", "ssh")

        pre_execute.send(sender="django_q", func=None, task={"name": "x"})

        assert tasks.last_beat(tasks.queue_beat("ssh", worker="here:1")) is not None
        assert tasks.last_beat(tasks.queue_beat("ssh", worker="here:2")) is None

    def test_F76_a_database_that_is_away_does_not_keep_a_task_from_running(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def away(name: str) -> None:
            raise OperationalError("the database is locked")

        monkeypatch.setattr(tasks, "beat", away)
        monkeypatch.setenv("SLIPWAY_WORKER", "here:1")
        monkeypatch.setenv("Q_CLUSTER_NAME", "ssh")

        pre_execute.send(sender="django_q", func=None, task={"name": "x"})

        assert "could not be taken off its queue" in caplog.text

    def test_F9_what_a_killed_queue_held_is_offered_again(self) -> None:
        for queue in tasks.QUEUES:
            tasks.send_canary(queue)
        later = timezone.now() + timedelta(seconds=120)
        OrmQ.objects.update(lock=later)

        tasks.offer_again("default")

        assert OrmQ.objects.get(key="default").lock <= timezone.now()
        assert OrmQ.objects.get(key="ssh").lock == later
