"""``/healthz``, ``/readyz`` and ``/metrics``: for supervisors and scrapers (T24)."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from config.metrics import Figures
from core.addresses import is_from_this_host
from core.errors import AuthenticationError
from core.time import database_now
from deployments import second_guard, tasks
from deployments.models import CloudSnapshot, Deployment, Machine
from deployments.models.deployments import TERMINAL
from deployments.overview import MAY_LIVE

# A due row is claimed each second and then due again after CLAIM_SECONDS.
DUE_ROW_MAY_WAIT = timedelta(seconds=60)

View = Callable[[HttpRequest], HttpResponse]


def operators_only(view: View) -> View:
    """Let in who holds METRICS_TOKEN; while none is set, programs on this host (T24)."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if _may_see(request):
            return view(request)
        error = AuthenticationError(
            "This is for the operator's programs.",
            remedy="Send Authorization: Bearer with METRICS_TOKEN, or ask from this host while "
            "it is not set.",
        )
        return JsonResponse(
            error.as_body(), status=error.http_status, headers={"WWW-Authenticate": "Bearer"}
        )

    return guarded


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers, and nothing else."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@login_not_required
@operators_only
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether all that must work does; 503 with the reasons if not."""
    reasons = not_ready_because()
    answer = {"ready": not reasons, "reasons": reasons, "warnings": warnings()}
    return JsonResponse(answer, status=503 if reasons else 200)


@login_not_required
@operators_only
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the figures of the whole installation in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def not_ready_because() -> list[str]:
    """Return why this installation is not ready to look after machines; nothing if it is."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return [f"{len(missing)} migrations are not applied; run manage.py migrate."]
        now = database_now()
        return [*_silent_queues(now), *_waiting_rows(now)]
    except DatabaseError as error:
        # The class alone: the driver's text may hold the database's address.
        return [f"The database does not answer ({type(error).__name__})."]


def warnings() -> list[str]:
    """Return what an operator should mend although the work goes on (D7)."""
    try:
        living = Machine.objects.filter(gone_at__isnull=True, launch_state__in=MAY_LIVE)
        looked = second_guard.looked_at()
        if not second_guard.is_needed(living) or not second_guard.is_late(
            looked, now=database_now()
        ):
            return []
    except DatabaseError:
        # That is a reason not to be ready, told beside.
        return []
    when = "in the last day" if looked is None else f"since {looked:%Y-%m-%d %H:%M} UTC"
    return [f"reap has not looked {when} while machines live; is its timer running?"]


def _silent_queues(now: datetime) -> list[str]:
    limit = timedelta(seconds=settings.TIMING.stall_limit_seconds)
    reasons = []
    for queue in tasks.QUEUES:
        beaten = tasks.last_beat(f"queue:{queue}")
        if beaten is None:
            reasons.append(f"Queue {queue} has never taken a task; start manage.py worker.")
        elif now - beaten > limit:
            seconds = int((now - beaten).total_seconds())
            reasons.append(f"Queue {queue} has taken no task for {seconds} s.")
    return reasons


def _waiting_rows(now: datetime) -> list[str]:
    late = oldest_due_seconds(now)
    if late <= DUE_ROW_MAY_WAIT.total_seconds():
        return []
    return [f"Something due has waited for {int(late)} s; no worker claims it."]


def oldest_due_seconds(now: datetime) -> float:
    """Return for how long the oldest due row has waited to be claimed; 0 if none is due."""
    live = Deployment.objects.exclude(status__in=TERMINAL)
    moments = [
        live.aggregate(oldest=Min("next_tick_at"))["oldest"],
        CloudSnapshot.objects.aggregate(oldest=Min("next_list_at"))["oldest"],
    ]
    return max((max(0.0, (now - each).total_seconds()) for each in moments if each), default=0.0)


def _may_see(request: HttpRequest) -> bool:
    if not settings.METRICS_TOKEN:
        return is_from_this_host(request)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), settings.METRICS_TOKEN.encode())
    return scheme.lower() == "bearer" and same
