"""How long the phases around training took on this installation's own machines, or usually do."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from deployments.estimate import Range
from deployments.models import Event, Machine
from deployments.models.deployments import LaunchState, Status

# Fewer say nothing of how much times differ.
ENOUGH = 3
NEWEST = 50


@dataclass(frozen=True)
class PastTime:
    """A duration of past machines: half of them took from ``low`` to ``high`` seconds."""

    seconds: Range[float]
    median: float
    machines: int

    @property
    def basis(self) -> str:
        """Where it is known from, in words."""
        return f"{self.machines} machines of this installation"


@dataclass(frozen=True)
class PastTimes:
    """Each None where too few machines have told."""

    boot: PastTime | None = None
    prepare: PastTime | None = None
    bring_home: PastTime | None = None
    end: PastTime | None = None


def past_times(user: User, *, platform: str, base_model: str) -> PastTimes:
    """Return what the newest machines of a cloud took, in four queries.

    Preparing is that of the user's own runs of the same model: most of it is the model's download.
    """
    rented = Machine.objects.filter(
        platform=platform, gpu_count=1, launch_state=LaunchState.LAUNCHED
    ).order_by("-requested_at")
    prepared = rented.filter(
        deployment__user=user,
        deployment__job__model_name=base_model,
        login_at__isnull=False,
        run__first_step_at__isnull=False,
    )
    return PastTimes(
        boot=_spread(
            rented.filter(login_at__isnull=False).values_list("requested_at", "login_at")[:NEWEST]
        ),
        prepare=_spread(prepared.values_list("login_at", "run__first_step_at")[:NEWEST]),
        bring_home=_spread(_homecomings(platform)),
        end=_spread(
            rented.filter(terminate_requested_at__isnull=False, gone_at__isnull=False).values_list(
                "terminate_requested_at", "gone_at"
            )[:NEWEST]
        ),
    )


def _homecomings(platform: str) -> list[tuple[datetime, datetime]]:
    """Return when collecting began and ended, of the runs that completed."""
    rows = Event.objects.filter(
        deployment__platform=platform,
        deployment__status=Status.COMPLETED,
        to_status__in=(Status.COLLECTING, Status.TERMINATING),
    ).order_by("-id")
    began: dict[object, datetime] = {}
    ended: dict[object, datetime] = {}
    for deployment, status, at in rows.values_list("deployment_id", "to_status", "at")[
        : 2 * NEWEST
    ]:
        (began if status == Status.COLLECTING else ended).setdefault(deployment, at)
    return [(at, ended[run]) for run, at in began.items() if run in ended]


def _spread(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> PastTime | None:
    return spread([(b - a).total_seconds() for a, b in pairs if a and b and b >= a])


def spread(seconds: Sequence[float]) -> PastTime | None:
    """Return the median and the middle half of durations, None for too few."""
    if len(seconds) < ENOUGH:
        return None
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return PastTime(Range(low, high), median, len(seconds))
