"""10,000 jobs and a run of a million points: few queries, small answers; seconds are told.

Counts and sizes are bounded here; how long it takes depends on the machine, so it is printed only.
"""

import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.time import database_now
from deployments import metric_rows
from deployments.bucketing import MAX_BUCKETS
from deployments.models import Deployment, Machine, Metric, MetricBucket, RunState, TrainingJob
from deployments.models.deployments import Status
from deployments.run_log import ingest
from tests import builders
from tests.deployments.pages import scenes

JOBS = 10_000
STEPS = 200_000
NAMES = ("train/loss", "train/learning_rate", "train/grad_norm", "train/tokens")
MAX_BYTES = 300_000
MAX_QUERIES = 45
TRIES = 7
pytestmark = [pytest.mark.django_db, pytest.mark.bench]


@dataclass(frozen=True)
class Large:
    """The large installation: its reader, and the run of a million points."""

    client: Client
    run: Deployment


@pytest.fixture
def large() -> Large:
    user = builders.make_user()
    run = scenes.training(user)
    make_points(run.machines.get())
    make_jobs(user, run)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = Client()
    client.force_login(user)
    return Large(client, run)


# As a run of half an hour would have told them, written in the database: it is quicker there.
POINTS = """
    INSERT INTO metrics (job_id, machine_id, name, step, value, at)
    SELECT %(job)s, %(machine)s, name, step,
           CASE name WHEN 'train/tokens' THEN 512.0 * step
                ELSE 1.1 + exp(-step / 30000.0) + 0.1 * sin(step * 12.9898) END,
           %(begin)s + step * interval '9 milliseconds'
    FROM generate_series(1, %(steps)s::int) AS step, unnest(%(names)s::text[]) AS name
"""


def make_points(machine: Machine) -> None:
    """Write five metrics at 200,000 steps, and their buckets."""
    job = machine.deployment.job
    Metric.objects.filter(job=job).delete()
    asked: dict[str, Any] = {
        "job": job.pk,
        "machine": machine.pk,
        "begin": machine.deployment.created_at,
        "steps": STEPS,
        "names": [*NAMES, "train/tokens_per_second"],
    }
    with connection.cursor() as cursor:
        cursor.execute(POINTS, asked)
        # What the server's own housekeeping does within a minute.
        cursor.execute("ANALYZE metrics")
    metric_rows.rebuild_buckets(job.pk)
    RunState.objects.filter(machine=machine).update(step=STEPS, total_steps=STEPS + 60_000)


def make_jobs(user: User, like: Deployment) -> None:
    """Write 10,000 runs that are over, as copies of one."""
    now = database_now()
    jobs = [copy_of(like.job, id=uuid.uuid4()) for _ in range(JOBS)]
    TrainingJob.objects.bulk_create(jobs, batch_size=1000)
    deployments = [
        copy_of(
            like,
            id=uuid.uuid4(),
            job=job,
            name=f"Run {number}",
            status=Status.COMPLETED,
            created_at=now - timedelta(minutes=10 * number + 100),
            completed_at=now - timedelta(minutes=10 * number + 50),
            next_tick_at=None,
        )
        for number, job in enumerate(jobs)
    ]
    Deployment.objects.bulk_create(deployments, batch_size=1000)
    rented = like.machines.get()
    Machine.objects.bulk_create(
        [
            copy_of(
                rented,
                id=uuid.uuid4(),
                deployment=deployment,
                name=f"slwtst-{number}",
                instance_id=str(number),
                gone_at=deployment.completed_at,
                billed_usd=rented.hourly_price,
            )
            for number, deployment in enumerate(deployments)
        ],
        batch_size=1000,
    )


def copy_of(row: Any, **changes: Any) -> Any:
    made = type(row)(**columns(row))
    for name, changed in changes.items():
        setattr(made, name, changed)
    return made


@lru_cache
def columns(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = type(row).objects.filter(pk=row.pk).values().get()
    return found


def measured(what: str, ask: Callable[[], Any]) -> tuple[int, int]:
    """Ask several times, print the median, and return the queries and the bytes of an answer."""
    with CaptureQueriesContext(connection) as captured:
        size = len(ask().content)
    # Counted now: the next request forgets them.
    queries = len(captured)
    took, computed = [], []
    for _ in range(TRIES):
        begin, cpu = time.perf_counter(), time.process_time()
        ask()
        took.append(1000 * (time.perf_counter() - begin))
        computed.append(1000 * (time.process_time() - cpu))
    # On a busy machine the second figure is nearer to what an idle one would need.
    times = f"{statistics.median(took):.0f} ms, {statistics.median(computed):.0f} ms of them ours"
    print(f"\n{what}: {times} (medians of {TRIES}), {queries} queries, {size:,} bytes")
    return queries, size


def test_with_10_000_jobs_and_a_million_points_pages_stay_small(large: Large) -> None:
    address = f"/jobs/{large.run.job_id}/"
    asked: dict[str, Any] = {
        "the list of runs": "/",
        "the page of the run": address,
        "its Charts tab": f"{address}charts/",
        "its Charts tab along time": f"{address}charts/?x=time&y=log",
        "the loss block": f"{address}blocks/loss/",
        "the points of all charts": f"{address}charts/points/",
        "the points of the overview, along time": f"{address}charts/points/?x=time&only=loss,cost",
        "the points of 4,000 steps": f"{address}charts/points/?from_step=90000&to_step=94000",
        "the loss as a table": f"{address}charts/loss/",
    }
    assert Metric.objects.filter(job=large.run.job).count() == 5 * STEPS
    assert Deployment.objects.count() > JOBS

    found = {
        what: measured(what, lambda url=url: large.client.get(url))  # type: ignore[misc]
        for what, url in asked.items()
    }

    assert {what for what, (queries, _) in found.items() if queries > MAX_QUERIES} == set()
    assert {what for what, (_, size) in found.items() if size > MAX_BYTES} == set()


def test_taking_news_of_a_run_of_a_million_points_stays_cheap() -> None:
    machine = scenes.training(builders.make_user()).machines.get()
    make_points(machine)
    state = RunState.objects.get(machine=machine)
    seq, step = state.accepted_through, STEPS

    def tell(steps: int) -> int:
        nonlocal seq, step
        events = [
            {
                "seq": seq + n,
                "kind": "metrics",
                "step": step + n,
                "values": dict.fromkeys(NAMES, 1.0 / n),
            }
            for n in range(1, steps + 1)
        ]
        seq, step = seq + steps, step + steps
        with CaptureQueriesContext(connection) as captured:
            begin = time.perf_counter()
            ingest(machine, events)
            took = (time.perf_counter() - begin) * 1000
        print(f"\ntaking {steps} steps of {len(NAMES)} metrics: {took:.0f} ms")
        return len(captured)

    one, many = tell(1), tell(500)

    assert one == many < 20
    widest = MetricBucket.objects.filter(job=machine.deployment.job, name="train/loss")
    assert widest.count() <= MAX_BUCKETS
