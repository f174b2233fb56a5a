"""The figures of the installation for Prometheus, read from the rows when they are asked for.

Every web process answers the same, and nothing is counted in memory. No label names a user, a
key or a machine.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Max, Min, Sum
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.time import database_now
from deployments import tasks
from deployments.models import CloudSnapshot, Deployment, Machine, Stray, WorkerHeartbeat
from deployments.models.deployments import TERMINAL, Status
from deployments.overview import NOT_STARTED
from notifications import outbox


class Figures(Collector):
    """Collects everything anew each time."""

    def collect(self) -> Iterator[Metric]:
        now = database_now()
        yield from _money()
        yield from _deployments()
        yield from _background(now)


def _money() -> Iterator[Metric]:
    living = Machine.objects.filter(gone_at__isnull=True).exclude(launch_state__in=NOT_STARTED)
    found = living.aggregate(machines=Count("pk"), burn=Sum("hourly_price"))
    strays = Stray.objects.filter(gone_at__isnull=True).count()
    yield _gauge("slipway_machines_live", "Machines that may exist and bill.", found["machines"])
    yield _gauge(
        "slipway_burn_usd_per_hour", "What they cost an hour.", found["burn"] or Decimal(0)
    )
    yield _gauge("slipway_strays_live", "Machines of ours that no run wants.", strays)


def _deployments() -> Iterator[Metric]:
    counted = Deployment.objects.values_list("status").annotate(Count("pk")).order_by()
    by_status = dict(counted)
    family = GaugeMetricFamily(
        "slipway_deployments", "Deployments by status, ended ones included.", labels=["status"]
    )
    for status in Status:
        family.add_metric([status.value], by_status.get(status.value, 0))
    yield family
    attention = Deployment.objects.filter(attention__isnull=False).count()
    yield _gauge("slipway_attention", "Deployments that need somebody to look.", attention)


def _background(now: datetime) -> Iterator[Metric]:
    depth = GaugeMetricFamily("slipway_queue_tasks", "Tasks that wait.", labels=["queue"])
    for queue, waiting in tasks.queue_depths().items():
        depth.add_metric([queue], waiting)
    yield depth
    messages = GaugeMetricFamily(
        "slipway_outbox_messages",
        "Messages by status; those that are over, of the last 30 days.",
        labels=["status"],
    )
    for status, number in outbox.counts().items():
        messages.add_metric([status], number)
    yield messages
    live = Deployment.objects.exclude(status__in=TERMINAL)
    due = live.aggregate(oldest=Min("next_tick_at"))["oldest"]
    yield _gauge(
        "slipway_oldest_due_seconds",
        "For how long the oldest due deployment has waited to be claimed.",
        max(0.0, _age(now, due)) if due else 0.0,
    )
    watched = CloudSnapshot.objects.filter(next_list_at__isnull=False, listed_at__isnull=False)
    listed = watched.aggregate(oldest=Min("listed_at"))["oldest"]
    if listed:
        yield _gauge(
            "slipway_last_good_list_age_seconds",
            "Age of the last good list of the watched key that has waited longest for one.",
            _age(now, listed),
        )
    beaten = WorkerHeartbeat.objects.aggregate(newest=Max("beat_at"))["newest"]
    if beaten:
        yield _gauge(
            "slipway_worker_beat_age_seconds", "Since a worker last beat.", _age(now, beaten)
        )


def _age(now: datetime, moment: datetime) -> float:
    return (now - moment).total_seconds()


def _gauge(name: str, text: str, value: float | Decimal) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
