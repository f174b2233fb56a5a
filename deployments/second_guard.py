"""The second guard: ``reap``, which looks at every account on a path of its own (D7)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from deployments import clouds
from deployments.models import Machine, WorkerHeartbeat
from deployments.providers import PROVIDERS, rented

BEAT_NAME = "reap"
# Its timer goes every 5 minutes: three turns missed are no accident.
LATE_AFTER = timedelta(minutes=15)


def note_look(now: datetime) -> None:
    """Write down that it has looked at every account."""
    WorkerHeartbeat.objects.update_or_create(name=BEAT_NAME, defaults={"beat_at": now})


def looked_at() -> datetime | None:
    """Return when it last looked; None when it has not within the last day."""
    rows = WorkerHeartbeat.objects.filter(name=BEAT_NAME)
    return rows.values_list("beat_at", flat=True).first()


def is_late(looked: datetime | None, *, now: datetime) -> bool:
    """Say whether it should have looked again by now."""
    return looked is None or now - looked > LATE_AFTER


def is_needed(machines: Iterable[Machine]) -> bool:
    """Say whether any of these costs real money: a practice machine or one's own needs no guard."""
    return any(
        clouds.endpoint(platform).base_url == PROVIDERS[platform].default_endpoint().base_url
        for platform in {machine.platform for machine in machines} & {*rented()}
    )
