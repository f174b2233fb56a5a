"""Metrics as rows: what a batch of run-log events tells is kept, raw and in buckets for drawing.

Called inside the transaction that takes the events. Buckets are worked out anew from the raw rows
they stand for, so that a second machine that trains a step again leaves the right ones (I10).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Max, Min, Sum
from django.db.models.functions import Coalesce

from deployments import bucketing
from deployments.bucketing import Bucket, Told
from deployments.event_values import MetricValues
from deployments.models import Machine, Metric, MetricBucket, TrainingJob

# A machine that invents names gets no more metrics than this for its job (T3).
MAX_NAMES = 100
_BUCKET_FIELDS = tuple(each.name for each in fields(Bucket))


def keep(machine: Machine, values: MetricValues, *, at: datetime) -> None:
    """Keep what a machine told; a later machine may overwrite a step, a machine never itself (I10).

    Also brings the buckets of these steps up to date.
    """
    if not values:
        return
    job_id = machine.deployment.job_id
    # Two machines of one job must not work out the same bucket at once. The lock comes before the
    # rows, so that neither waits for the other; it does not disturb what refers to the job.
    TrainingJob.objects.select_for_update(no_key=True).only("pk").get(pk=job_id)
    widths = _widths(job_id, [name for name, _ in values])
    rows = _new_rows(machine, {key: value for key, value in values.items() if key[0] in widths}, at)
    Metric.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["job", "name", "step"],
        update_fields=["machine", "value", "at"],
    )
    touched: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        touched[row.name].add(row.step)
    _refresh(job_id, touched, widths)


def _widths(job_id: UUID, names: Iterable[str]) -> dict[str, int]:
    """Return the width of each metric's buckets, new ones' too as far as there is room for them."""
    rows = MetricBucket.objects.filter(job=job_id).order_by()
    widths: dict[str, int] = dict(rows.values_list("name").annotate(Max("width")))
    for name in names:
        if len(widths) < MAX_NAMES:
            widths.setdefault(name, 1)
    return widths


def _new_rows(machine: Machine, values: MetricValues, at: datetime) -> list[Metric]:
    job_id = machine.deployment.job_id
    names, steps = {name for name, _ in values}, [step for _, step in values]
    mine = Metric.objects.filter(job=job_id, machine=machine, name__in=names)
    between = mine.filter(step__range=(min(steps, default=0), max(steps, default=0)))
    told = set(between.values_list("name", "step"))
    return [
        Metric(job_id=job_id, machine=machine, name=name, step=step, value=value, at=at)
        for (name, step), value in values.items()
        if (name, step) not in told
    ]


def _refresh(
    job_id: UUID, touched: Mapping[str, Collection[int]], widths: Mapping[str, int]
) -> None:
    """Work out anew the buckets that hold these steps, and widen them where they are too many."""
    # What a trainer logs together is told together: most batches are one read and one write.
    together: dict[tuple[int, int, int], list[str]] = defaultdict(list)
    for name, steps in touched.items():
        width, first, last = widths[name], min(steps), max(steps)
        together[width, first - first % width, last - last % width + width - 1].append(name)
    for (width, first, last), names in together.items():
        rows = Metric.objects.filter(job=job_id, name__in=names, step__range=(first, last))
        told: dict[str, list[Told]] = defaultdict(list)
        for row in rows.order_by("step").only("name", "step", "value", "at"):
            told[row.name].append(Told(row.step, row.value, row.at))
        _write(job_id, {name: bucketing.bucketed(told[name], width=width) for name in told})
    _widen(job_id, touched)


def rebuild_buckets(job_id: UUID) -> None:
    """Work out every bucket of a job anew from its raw rows."""
    rows = Metric.objects.filter(job=job_id)
    with transaction.atomic():
        MetricBucket.objects.filter(job=job_id).delete()
        for name in rows.order_by("name").values_list("name", flat=True).distinct()[:MAX_NAMES]:
            mine = rows.filter(name=name).order_by("step")
            steps = mine.values_list("step", flat=True)
            width = bucketing.fitting_width(steps.iterator(), width=1)
            told = (Told(*row) for row in mine.values_list("step", "value", "at").iterator())
            _write(job_id, {name: bucketing.bucketed(told, width=width)})


def bucket_series(job_id: UUID, names: Collection[str]) -> dict[str, list[Bucket]]:
    """Return a job's buckets by name, in order of step; at most MAX_BUCKETS a name, one query."""
    rows = MetricBucket.objects.filter(job=job_id, name__in=names).order_by("name", "start")
    found: dict[str, list[Bucket]] = defaultdict(list)
    for name, *bucket in rows.values_list("name", *_BUCKET_FIELDS):
        found[name].append(Bucket(*cast("Any", bucket)))
    return dict(found)


def finer_series(
    job_id: UUID, names: Collection[str], *, first: int, last: int
) -> dict[str, list[Bucket]]:
    """Return the buckets of a part of a run, worked out by the database; two queries.

    At most MAX_BUCKETS a name. In those of several steps the lowest value is placed at the first
    step and the highest one at the last: which came first nobody sees.
    """
    width = bucketing.width_over(first, last)
    rows = Metric.objects.filter(job=job_id, name__in=names, step__range=(first, last))
    grouped = (
        rows.values("name", start=F("step") - F("step") % width)
        .annotate(count=Count("value"), low=Min("value"), high=Max("value"))
        .annotate(total=Coalesce(Sum("value"), 0.0), last_step=Max("step"), last_at=Max("at"))
        .order_by("name", "start")
    )
    parts: list[dict[str, Any]] = [dict(part) for part in grouped]
    ends = rows.filter(step__in={part["last_step"] for part in parts})
    newest = {
        (name, step): value for name, step, value in ends.values_list("name", "step", "value")
    }
    series: dict[str, list[Bucket]] = defaultdict(list)
    for part in parts:
        name, last_step = part.pop("name"), part["last_step"]
        low_step = last_step if part["count"] == 1 else part["start"]
        places = (low_step, last_step) if part["count"] else (None, None)
        part |= {"width": width, "low_step": places[0], "high_step": places[1]}
        series[name].append(Bucket(**part, last=newest[name, last_step]))
    return dict(series)


def _write(job_id: UUID, made: Mapping[str, Iterable[Bucket]]) -> None:
    MetricBucket.objects.bulk_create(
        [
            MetricBucket(job_id=job_id, name=name, **asdict(bucket))
            for name, buckets in made.items()
            for bucket in buckets
        ],
        update_conflicts=True,
        unique_fields=["job", "name", "start"],
        update_fields=[field for field in _BUCKET_FIELDS if field != "start"],
    )


def _widen(job_id: UUID, names: Collection[str]) -> None:
    rows = MetricBucket.objects.filter(job=job_id, name__in=names).order_by()
    counts = dict(rows.values_list("name").annotate(Count("pk")))
    crowded = [name for name, count in counts.items() if count > bucketing.MAX_BUCKETS]
    for name, held in bucket_series(job_id, crowded).items():
        starts = [bucket.start for bucket in held]
        width = bucketing.fitting_width(starts, width=held[0].width)
        rows.filter(name=name).delete()
        _write(job_id, {name: bucketing.merged(held, width=width)})
