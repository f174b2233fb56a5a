"""Claims and leases under real processes: each row is taken once, each writer is alone (D5, D6).

Threads of one process share its locks and its interpreter; these tests do not. They run on SQLite
and on PostgreSQL alike.
"""

from collections import Counter
from datetime import timedelta

import pytest
from django_q.models import OrmQ

from core.time import database_now
from deployments.models import CloudSnapshot, PacerSlot
from deployments.models.deployments import Status
from tests import builders
from tests.deployments.processes import run_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("worker")]
PROCESSES = 3


def test_D6_of_many_due_rows_each_is_claimed_once() -> None:
    past = database_now() - timedelta(seconds=5)
    job = builders.make_job()
    made = [builders.make_deployment(job=job, next_tick_at=past) for _ in range(20)]
    CloudSnapshot.objects.create(vault_entry=made[0].vault_entry, next_list_at=past)

    counts = run_all(PROCESSES, "print(sum(tasks.claim_due() for _ in range(5)))")

    queued = Counter(
        (row.task["func"].rsplit(".", 1)[1], *row.task["args"]) for row in OrmQ.objects.all()
    )
    key = str(made[0].vault_entry_id)
    expected = {("tick", str(deployment.pk)) for deployment in made}
    assert set(queued) == expected | {("list_cloud", key), ("sweep", key)}
    assert set(queued.values()) == {1}
    assert sum(int(line) for (line,) in counts) == len(queued)


def test_F20_of_many_workers_one_holds_the_lease_at_a_time() -> None:
    deployment = builders.make_deployment(status=Status.TRAINING)
    before = deployment.version

    answers = run_all(
        PROCESSES,
        f"""
for _ in range(80):
    lease = Lease.take({str(deployment.pk)!r}, purpose="tick", seconds=50)
    if lease is None:
        continue
    seen = lease.deployment.wait_for_capacity_minutes
    # Read, then write what follows from it: two holders at once would lose one of the writes.
    lease.write(deployment={{"wait_for_capacity_minutes": seen + 1}})
    lease.release(next_tick_at=None)
    print(lease.version)
""",
    )

    deployment.refresh_from_db()
    versions = [int(line) for lines in answers for line in lines]
    assert len(versions) > 20
    assert sorted(versions) == list(range(before + 1, deployment.version + 1))
    assert all(lines == sorted(lines, key=int) for lines in answers)
    assert deployment.wait_for_capacity_minutes == 30 + len(versions)
    assert deployment.lease_until is None


def test_D5_who_lost_the_lease_writes_nothing_however_often_it_changes_hands() -> None:
    deployment = builders.make_deployment(status=Status.TRAINING)

    answers = run_all(
        PROCESSES,
        f"""
for _ in range(60):
    # A lease of no length is over at once, so that everybody takes it from everybody.
    lease = Lease.take({str(deployment.pk)!r}, purpose="tick", seconds=-1)
    if lease is None:
        continue
    minutes = lease.deployment.wait_for_capacity_minutes + 1
    try:
        event = lease.event("note", "still mine")
        lease.write(deployment={{"wait_for_capacity_minutes": minutes}}, event=event)
    except LeaseLostError:
        print("lost")
    else:
        print("wrote")
""",
    )

    deployment.refresh_from_db()
    words = Counter(word for lines in answers for word in lines)
    assert words["wrote"] > 0
    assert deployment.wait_for_capacity_minutes == 30 + words["wrote"]
    versions = list(deployment.events.order_by("pk").values_list("version", flat=True))
    assert len(versions) == words["wrote"]
    assert versions == sorted(set(versions))


def test_D9_all_processes_together_keep_one_pace_per_key() -> None:
    entry = builders.make_vault_entry()
    turns = 4

    answers = run_all(
        PROCESSES,
        f"""
from deployments.pacer import DatabasePacer
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
entry = VaultEntry.objects.get(pk={str(entry.pk)!r})
pacer = DatabasePacer(entry, timing=Timing(request_interval_seconds=0.1))
print(database_now().timestamp())
for _ in range({turns}):
    pacer.wait("terminate")
""",
    )

    began = min(float(line) for (line,) in answers)
    next_turn = PacerSlot.objects.get().next_request_at.timestamp()
    # A millisecond is the resolution of SQLite's clock.
    assert next_turn - began >= 0.1 * PROCESSES * turns - 0.001
