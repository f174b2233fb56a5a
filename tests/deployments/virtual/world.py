"""Whole lives in milliseconds: the real rows, ticker, lister, sweep and decisions; a virtual cloud.

``World`` does what the workers do, in one thread and on the test's clock: it moves the clock to
the next thing that is due, claims it as the ticker does, and runs what that enqueued. A task that
is killed leaves everything as a killed worker would.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.module_loading import import_string

from deployments import clouds, services, tasks
from deployments.lifecycle import booting, collecting, fetching, preparing, training
from deployments.models import CloudSnapshot, Deployment, Machine
from deployments.models.deployments import TERMINAL
from deployments.providers import PROVIDERS
from deployments.timing import Timing
from tests import builders
from tests.deployments.virtual import clock as virtual_clock
from tests.deployments.virtual import remote
from tests.deployments.virtual.clock import Clock
from tests.deployments.virtual.cloud import Killed, VirtualCloud
from tests.deployments.virtual.invariants import check

Reached = Callable[[Deployment], bool]
# Fewer looks and shorter limits than by default, so that a life takes few steps.
QUICK = Timing(
    poll_seconds=20,
    boot_limit_seconds=240,
    ssh_limit_seconds=200,
    silence_limit_seconds=200,
    terminate_alarm_seconds=400,
)


class World:
    """One user with a key at one virtual cloud, and the workers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.cloud = VirtualCloud(self.clock)
        self.queue: deque[tuple[str, tuple[Any, ...]]] = deque()
        self.kills = 0
        # I1, I3: how long a machine that appears late may live.
        self.late_seconds: float = 180
        virtual_clock.use(self.clock, monkeypatch)
        monkeypatch.setitem(PROVIDERS, "lambda", self.cloud.provider_class())
        monkeypatch.setattr(tasks, "async_task", self._enqueue)
        for module in (booting, collecting, fetching, preparing, training):
            monkeypatch.setattr(module, "connect", partial(remote.connect, self.cloud))
        self.user: User = builders.make_user()
        self._job = builders.make_job(self.user)
        clouds.login_key()

    def start_over(self) -> None:
        """Forget everything that happened at the cloud and in the queue; the clock goes on."""
        self.cloud.reset()
        self.queue.clear()
        self.kills = 0

    def deploy(self, **fields: Any) -> Deployment:
        """Accept a deployment now; a budget of 10 USD and an A10 in us-east-1 unless told."""
        now = self.clock.now
        times = dict.fromkeys(("status_since", "created_at", "next_tick_at"), now)
        deployment = builders.make_deployment(self.user, **({"job": self._job} | times | fields))
        CloudSnapshot.objects.update_or_create(
            vault_entry_id=deployment.vault_entry_id, defaults={"next_list_at": now}
        )
        return deployment

    def cancel(self, deployment: Deployment, *, save: bool = True) -> None:
        services.cancel(deployment, requested_by=self.user, save=save)

    def until(
        self,
        deployment: Deployment,
        reached: Reached | str | None = None,
        *,
        hours: float = 6,
    ) -> Deployment:
        """Work until the deployment has that status, or is as wanted, or is over.

        Fails the test with the deployment's story when that takes longer than ``hours``.
        """
        give_up = self.clock.now + timedelta(hours=hours)
        while not self._has_reached(deployment, reached):
            if self.clock.now > give_up or deployment.is_terminal:
                raise AssertionError(f"{deployment.status} it is\n{story(deployment)}")
            self.step()
        return deployment

    def work_for(self, seconds: float) -> None:
        """Work for that long, and leave the clock there."""
        end = self.clock.in_seconds(seconds)
        while (moment := self._next_moment()) is not None and moment <= end:
            self.step()
        self.clock.advance_to(end)

    def step(self) -> None:
        """Move on to what is due next and do it."""
        moment = self._next_moment()
        if moment is not None:
            self.clock.advance_to(moment)
        tasks.claim_due()
        while self.queue:
            path, arguments = self.queue.popleft()
            try:
                import_string(path)(*arguments)
            except Killed:
                self.kills += 1
        check(self.cloud, now=self.clock.now, late_seconds=self.late_seconds)

    def machines(self, deployment: Deployment) -> list[Machine]:
        return list(deployment.machines.order_by("attempt"))

    def _enqueue(self, path: str, *arguments: Any, **options: Any) -> None:
        self.queue.append((path, arguments))

    def _has_reached(self, deployment: Deployment, reached: Reached | str | None) -> bool:
        deployment.refresh_from_db()
        if reached is None:
            return deployment.is_terminal
        return deployment.status == reached if isinstance(reached, str) else reached(deployment)

    def _next_moment(self) -> datetime | None:
        live = Deployment.objects.exclude(status__in=TERMINAL)
        snapshots = CloudSnapshot.objects.filter(next_list_at__isnull=False)
        moments = [
            *live.values_list("next_tick_at", flat=True),
            *snapshots.values_list("next_list_at", flat=True),
            *snapshots.values_list("next_sweep_at", flat=True),
        ]
        return min((moment for moment in moments if moment is not None), default=None)


def story(deployment: Deployment) -> str:
    """Return the deployment's events, one a line."""
    events = deployment.events.select_related("machine")
    return "\n".join(f"{e.at:%H:%M:%S} {e.from_status:12} {e.kind}: {e.message}" for e in events)


def statuses(deployment: Deployment) -> list[str]:
    """Return the statuses the deployment went through, from its events."""
    changes = deployment.events.exclude(to_status="").order_by("id")
    return list(changes.values_list("to_status", flat=True))
