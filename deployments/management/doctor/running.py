"""What must go on: the worker, the timer of ``reap``, the outbox; and whether runs may start."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from core.time import database_now
from deployments import second_guard, spending, tasks
from deployments.management.doctor.finding import Finding, age, fail, ok, warn
from deployments.models import Deployment, WorkerHeartbeat
from deployments.models.deployments import TERMINAL
from deployments.timing import Timing
from notifications import outbox

WORKER_PREFIX = "worker:"
WORKER_SILENT_SECONDS = 30.0
# The timer's 5 minutes, twice, and some.
MESSAGES_MAY_WAIT = timedelta(minutes=10)
START_WORKER = "Start the worker (systemctl start slipway-worker)."


def worker() -> Iterator[Finding]:
    """Look for a fresh sign of life of a supervisor, and of each queue through it (F9)."""
    now = database_now()
    beats = WorkerHeartbeat.objects.filter(name__startswith=WORKER_PREFIX).order_by("-beat_at")
    fresh = [beat for beat in beats if _seconds(now, beat.beat_at) <= WORKER_SILENT_SECONDS]
    if not fresh:
        yield _no_worker(now, beats.first())
        return
    names = ", ".join(beat.name.removeprefix(WORKER_PREFIX) for beat in fresh)
    yield ok(f"worker: {len(fresh)} running ({names})")
    timing: Timing = settings.TIMING
    for queue in tasks.QUEUES:
        # Each worker's processes beat under a name of their own, the canary under the queue's.
        of_queue = Q(name=f"queue:{queue}") | Q(name__startswith=f"queue:{queue}@")
        beats = WorkerHeartbeat.objects.filter(of_queue).order_by("-beat_at")
        beaten = beats.values_list("beat_at", flat=True).first()
        if beaten is not None and _seconds(now, beaten) <= timing.stall_limit_seconds:
            yield ok(f"worker: queue {queue} takes tasks")
        else:
            yield fail(
                f"worker: queue {queue} took no task lately",
                "It is restarted by itself within minutes; if not, restart the worker.",
            )


def reap() -> Iterator[Finding]:
    """Look for the last whole sweep of the second stopper (D7)."""
    now = database_now()
    looked = second_guard.looked_at()
    remedy = "Install and start the timer: docs/operations, slipway-reap.timer."
    if looked is None:
        yield warn("reap: has not run in the last day", remedy)
    elif second_guard.is_late(looked, now=now):
        yield warn(f"reap: ran {age(_seconds(now, looked))} ago", remedy)
    else:
        yield ok(f"reap: ran {age(_seconds(now, looked))} ago")


def messages() -> Iterator[Finding]:
    """Look for messages that wait too long or were given up (I9)."""
    now = database_now()
    if settings.MAIL_IS_SET_UP:
        yield ok(f"mail: through {settings.EMAIL_HOST}")
    else:
        yield ok("mail: not set up, nothing is mailed (EMAIL_URL)")
    late = outbox.overdue(now - MESSAGES_MAY_WAIT)
    dead = outbox.dead_since(now - timedelta(days=7))
    if late:
        yield warn(f"outbox: {late} messages are due and not tried", START_WORKER)
    if dead:
        yield warn(
            f"outbox: {dead} messages were given up in the last 7 days",
            "The admin's messages say to whom and why; their owners see it on the settings page.",
        )
    if not late and not dead:
        yield ok("outbox: every message that was due is sent")


def launches() -> Iterator[Finding]:
    """Look whether the kill switch is on (T20)."""
    limits = spending.limits()
    if limits.launches_blocked_at is None:
        yield ok("launches: allowed")
        return
    since, why = limits.launches_blocked_at, limits.launches_blocked_reason
    yield warn(
        f"launches: blocked since {since:%Y-%m-%d %H:%M} UTC ({why})",
        "manage.py kill_switch off allows them again.",
    )


def _no_worker(now: datetime, last: WorkerHeartbeat | None) -> Finding:
    since = f", the last one beat {age(_seconds(now, last.beat_at))} ago" if last else ""
    live = Deployment.objects.exclude(status__in=TERMINAL).count()
    if live:
        return fail(f"worker: none runs{since}, and {live} deployments wait for it", START_WORKER)
    return warn(f"worker: none runs{since}", START_WORKER)


def _seconds(now: datetime, then: datetime) -> float:
    return max(0.0, (now - then).total_seconds())
