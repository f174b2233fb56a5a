"""What runs have told, read back for lists and charts: metrics, log lines, pace."""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.db.models import Max, OuterRef, QuerySet, Subquery

from deployments.models import Deployment, LogLine, Metric, MetricBucket, RunState, TrainingJob

# Every trainer of ours reports it at every logged step.
STEP_METRIC = "train/loss"
LEVELS = ("debug", "info", "warning", "error")
MAX_NAMES = 100
STEPS_OF_A_MEDIAN = 200
MAX_VALUES = 100_000


@dataclass(frozen=True)
class MetricPoint:
    """A metric's newest value; None where the trainer reported a number that is not finite."""

    value: float | None
    step: int
    at: datetime


@dataclass(frozen=True)
class Series:
    """One metric in order of step: three columns of equal length."""

    step: list[int] = field(default_factory=list)
    value: list[float | None] = field(default_factory=list)
    time: list[datetime] = field(default_factory=list)


@dataclass(frozen=True)
class Pace:
    """The first step a machine has told of, and when: from there its pace is counted."""

    first_step: int
    first_at: datetime


def latest_metrics(job_id: UUID) -> dict[str, MetricPoint]:
    """Return the newest value of each metric by name; the first hundred names. Two queries."""
    newest = dict(
        MetricBucket.objects.filter(job=job_id)
        .order_by("name")
        .values_list("name")
        .annotate(newest=Max("start"))[:MAX_NAMES]
    )
    rows = MetricBucket.objects.filter(job=job_id, name__in=newest, start__in=set(newest.values()))
    # Several rows of a name may be found, by the start of another's; its own newest one stays.
    return {
        row.name: MetricPoint(value=row.last, step=row.last_step, at=row.last_at)
        for row in rows.order_by("name", "start")
    }


def metric_series(
    job: TrainingJob,
    *,
    names: Collection[str] | None = None,
    since_step: int | None = None,
    max_values: int = MAX_VALUES,
) -> dict[str, Series]:
    """Return the job's metrics by name, in order of step; one query.

    ``since_step`` leaves out that step and those before it. At most ``max_values`` values, and
    only whole steps: ask on with the last step received until nothing comes.
    """
    rows = Metric.objects.filter(job=job).order_by("step", "name")
    if names is not None:
        rows = rows.filter(name__in=names)
    if since_step is not None:
        rows = rows.filter(step__gt=since_step)
    found = list(rows.values_list("name", "step", "value", "at")[: max_values + 1])
    if len(found) > max_values:
        cut = found[-1][1]
        found = [row for row in found if row[1] < cut]
    series: dict[str, Series] = {}
    for name, step, value, at in found:
        columns = series.setdefault(name, Series())
        columns.step.append(step)
        columns.value.append(value)
        columns.time.append(at)
    return series


def usual_seconds_to_first_step(user_id: int) -> float | None:
    """Return the middle time from accepting a run to its first step; None without such runs.

    Of the user's twenty newest deployments that came so far.
    """
    came = RunState.objects.filter(
        machine__deployment__user=user_id, machine__attempt=1, first_step_at__isnull=False
    ).order_by("-first_step_at")
    pairs = came.values_list("first_step_at", "machine__deployment__created_at")[:20]
    took = [(first - accepted).total_seconds() for first, accepted in pairs if first]
    return statistics.median(took) if took else None


def median_step_seconds(machine_id: UUID) -> float | None:
    """Return what a step of this machine usually takes, from its newest losses; None if unknown.

    Losses that came with one look have one time, so only changes of it tell.
    """
    rows = Metric.objects.filter(machine=machine_id, name=STEP_METRIC).order_by("-step")
    newest = rows.values_list("step", "at")[:STEPS_OF_A_MEDIAN]
    last_of_a_look = {at: step for step, at in reversed(newest)}
    paces = [
        (at - before).total_seconds() / (step - earlier)
        for (before, earlier), (at, step) in pairwise(sorted(last_of_a_look.items()))
        if step > earlier
    ]
    return statistics.median(paces) if paces else None


def log_lines(job: TrainingJob, *, level: str = "debug") -> QuerySet[LogLine]:
    """Return the job's log lines of this level and above, in the order they came."""
    lines = LogLine.objects.filter(job=job).select_related("machine").order_by("id")
    return lines.filter(level__in=LEVELS[LEVELS.index(level) :])


def newest_log_lines(job: TrainingJob, *, limit: int, level: str = "debug") -> list[LogLine]:
    """Return the last ``limit`` log lines, in the order they came."""
    return list(log_lines(job, level=level).order_by("-id")[:limit])[::-1]


def runs_with_pace(
    deployments: Sequence[Deployment],
) -> dict[UUID, tuple[RunState, Pace | None]]:
    """Return each machine's run and its pace, by the machine's id; one query."""
    first = Metric.objects.filter(
        job=OuterRef("machine__deployment__job"), machine=OuterRef("machine"), name=STEP_METRIC
    ).order_by("step")
    runs = RunState.objects.filter(machine__deployment__in=deployments).annotate(
        pace_step=Subquery(first.values("step")[:1]), pace_at=Subquery(first.values("at")[:1])
    )
    return {
        run.machine_id: (
            run,
            None if run.pace_step is None else Pace(first_step=run.pace_step, first_at=run.pace_at),
        )
        for run in runs
    }
