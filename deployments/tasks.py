"""The background queues. The only module that knows django-q2.

Payloads are readable in the database, so tasks carry ids and nothing else (D4, T9). A task is a
nudge: losing one, or running it twice, changes nothing. No task enqueues its own successor (D6);
the one hand-over is from the queue that must stay quick to the one that may wait for SSH.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error, transaction
from django.db.models import Count, F, Q
from django.dispatch import receiver
from django.utils import timezone
from django_q.cluster import Cluster
from django_q.models import OrmQ
from django_q.signals import pre_execute
from django_q.tasks import async_task

from core import commands
from core.time import database_now
from datasets import checking
from deployments import bills, reaper, snapshot
from deployments.exports import pushes
from deployments.lifecycle.advance import advance
from deployments.models import CloudSnapshot, Deployment, HubPush, Machine, WorkerHeartbeat
from deployments.models.deployments import TERMINAL
from deployments.timing import Timing
from notifications import outbox
from secrets_vault.models import VaultEntry

logger = logging.getLogger(__name__)

DEFAULT = "default"
SSH = "ssh"
QUEUES = (DEFAULT, SSH)
CLAIMED_AT_ONCE = 200
# Which supervisor a queue's processes belong to: host and process id.
WORKER_VARIABLE = "SLIPWAY_WORKER"


def tick(deployment_id: str) -> None:
    """Do a deployment's next step; what needs SSH is handed to the queue that may wait."""
    if advance(deployment_id, may_block=False) is not None:
        async_task("deployments.tasks.slice_of_work", deployment_id, cluster=SSH)


def slice_of_work(deployment_id: str) -> None:
    """Do a deployment's next step, SSH included."""
    advance(deployment_id, may_block=True)


def list_cloud(entry_id: str) -> None:
    """Refresh the list of one cloud key."""
    snapshot.list_cloud(entry_id)


def sweep(entry_id: str) -> None:
    """End what lives under one cloud key and should not."""
    reaper.sweep_account(VaultEntry.objects.get(pk=entry_id))


def read_bill(machine_id: str) -> None:
    """Hold the cloud's own bill of one machine against what we counted."""
    bills.compare(Machine.objects.get(pk=machine_id))


def deliver(message_id: str) -> None:
    """Try to send one message of the outbox."""
    outbox.deliver(message_id)


def check_data(dataset_id: str) -> None:
    """Begin the check of one large upload: what a file does to a parser happens to nobody else."""
    commands.start("check_data", dataset_id)


def push_to_hub(push_id: str) -> None:
    """Begin to push to the Hub; the row falls due again should the process die."""
    commands.start("push_to_hub", push_id)


def answer_canary(queue: str) -> None:
    """Show that this queue takes tasks."""
    beat(f"queue:{queue}")


@receiver(pre_execute)
def take_off(sender: object, *, task: Mapping[str, Any], **others: object) -> None:
    """Take a task off its queue before it runs, and show that this worker's queue takes tasks.

    django-q2 takes it off afterwards, so that a task which kills its worker comes back for ever
    (libraries.md section 2.2), and each claim would add one more. Ours may get lost instead:
    what is due is claimed again.
    """
    try:
        OrmQ.objects.filter(pk=task.get("ack_id")).delete()
        if worker := os.environ.get(WORKER_VARIABLE):
            beat(queue_beat(os.environ["Q_CLUSTER_NAME"], worker=worker))
    except Error as error:
        logger.warning("Task %s could not be taken off its queue: %s", task.get("name"), error)


def claim_due() -> int:
    """Enqueue everything that is due; return how many tasks that made.

    Each row is claimed by compare-and-set in the transaction that enqueues its task, so that
    any number of workers may do this (D6).
    """
    timing: Timing = settings.TIMING
    now = database_now()
    return (
        _claim_deployments(now, timing=timing)
        + _claim_lists(now, timing=timing)
        + _claim_sweeps(now, timing=timing)
        + _claim_bills(now)
        + _claim_pushes(now, timing=timing)
        + outbox.claim_due(now, enqueue=_enqueue_message)
        + checking.claim_due(now, enqueue=_enqueue_check)
    )


def send_canary(queue: str) -> None:
    """Ask a queue for a sign of life."""
    async_task("deployments.tasks.answer_canary", queue, cluster=queue)


def offer_again(queue: str) -> None:
    """Let go of the tasks that were handed to processes which did not begin them.

    What another worker's processes hold is let go as well: running it twice changes nothing.
    """
    now = timezone.now()
    OrmQ.objects.filter(key=queue, lock__gt=now).update(lock=now)


def queue_depths() -> dict[str, int]:
    """Return how many tasks wait in each queue, those at work included."""
    counted = OrmQ.objects.filter(key__in=QUEUES).values_list("key").annotate(Count("pk"))
    return dict.fromkeys(QUEUES, 0) | dict(counted.order_by())


def beat(name: str) -> None:
    """Write down a sign of life."""
    WorkerHeartbeat.objects.update_or_create(name=name, defaults={"beat_at": database_now()})


def queue_beat(queue: str, *, worker: str) -> str:
    """Return the name under which one worker's processes for a queue show that they live.

    Several workers serve the same queue: what another's processes answer proves nothing of ours.
    """
    return f"queue:{queue}@{worker}"


def last_beat(name: str) -> datetime | None:
    """Return the newest sign of life under that name."""
    return WorkerHeartbeat.objects.filter(name=name).values_list("beat_at", flat=True).first()


def queue_command(queue: str, *, worker: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of a worker's process that serves one queue.

    django-q2 reads the queue's name from the environment when it is imported; on Linux its
    ``--name`` option is ignored (libraries.md section 2).
    """
    manage = Path(settings.BASE_DIR) / "manage.py"
    command = [sys.executable, str(manage), "worker", "--queue", queue]
    return command, {**os.environ, "Q_CLUSTER_NAME": queue, WORKER_VARIABLE: worker}


def serve_queue(*, when_started: Callable[[], object]) -> None:
    """Serve the queue named by Q_CLUSTER_NAME until SIGTERM or SIGINT.

    ``when_started`` is called once the processes that do the work have been forked.
    """
    cluster = Cluster()
    cluster.start()
    when_started()
    cluster.sentinel.join()


def _enqueue_message(message_id: str) -> None:
    # A receiver may be slow: it waits where SSH does, never before money (F74).
    async_task("deployments.tasks.deliver", message_id, cluster=SSH)


def _enqueue_check(dataset_id: str) -> None:
    async_task("deployments.tasks.check_data", dataset_id, cluster=SSH)


def _claim_deployments(now: datetime, *, timing: Timing) -> int:
    # Nothing live is without a next look, but should it be, this is where it is found (I9).
    due = Deployment.objects.filter(Q(next_tick_at__lte=now) | Q(next_tick_at__isnull=True))
    live = due.exclude(status__in=TERMINAL).order_by(F("next_tick_at").asc(nulls_first=True))
    again = now + timedelta(seconds=timing.claim_seconds)
    claimed = 0
    for pk, next_tick_at in live.values_list("pk", "next_tick_at")[:CLAIMED_AT_ONCE]:
        with transaction.atomic():
            row = Deployment.objects.filter(pk=pk, next_tick_at=next_tick_at)
            if row.update(next_tick_at=again) == 1:
                async_task("deployments.tasks.tick", str(pk))
                claimed += 1
    return claimed


def _claim_lists(now: datetime, *, timing: Timing) -> int:
    again = now + timedelta(seconds=timing.claim_seconds)
    claimed = 0
    due = CloudSnapshot.objects.filter(next_list_at__lte=now)
    for row in due[:CLAIMED_AT_ONCE]:
        watched = snapshot.is_watched(row.vault_entry_id, now=now, timing=timing)
        with transaction.atomic():
            mine = CloudSnapshot.objects.filter(pk=row.pk, next_list_at=row.next_list_at)
            if mine.update(next_list_at=again if watched else None) == 1 and watched:
                async_task("deployments.tasks.list_cloud", str(row.vault_entry_id))
                claimed += 1
    return claimed


def _claim_bills(now: datetime) -> int:
    claimed = 0
    for machine in bills.due(now)[:CLAIMED_AT_ONCE]:
        with transaction.atomic():
            if bills.claim(machine, now=now):
                async_task("deployments.tasks.read_bill", str(machine.pk))
                claimed += 1
    return claimed


def _claim_pushes(now: datetime, *, timing: Timing) -> int:
    again = now + timedelta(seconds=timing.claim_seconds)
    claimed = 0
    for push in pushes.due(now):
        with transaction.atomic():
            mine = HubPush.objects.filter(pk=push.pk, next_try_at=push.next_try_at)
            if mine.update(next_try_at=again) == 1:
                async_task("deployments.tasks.push_to_hub", str(push.pk), cluster=SSH)
                claimed += 1
    return claimed


def _claim_sweeps(now: datetime, *, timing: Timing) -> int:
    """Accounts in which something lives are swept each minute (D7)."""
    again = now + timedelta(seconds=timing.sweep_seconds)
    due = Q(next_sweep_at__isnull=True) | Q(next_sweep_at__lte=now)
    watched = CloudSnapshot.objects.filter(due, next_list_at__isnull=False)
    claimed = 0
    for row in watched[:CLAIMED_AT_ONCE]:
        with transaction.atomic():
            mine = CloudSnapshot.objects.filter(pk=row.pk, next_sweep_at=row.next_sweep_at)
            if mine.update(next_sweep_at=again) == 1:
                async_task("deployments.tasks.sweep", str(row.vault_entry_id))
                claimed += 1
    return claimed
