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
from deployments.lifecycle import booting, collecting, fetching, merging, preparing, training
from deployments.models import CloudSnapshot, Deployment, Machine
from deployments.providers import PROVIDERS
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
from tests import builders
from tests.builders import NOON
from tests.deployments.virtual import clock as virtual_clock
from tests.deployments.virtual import remote, rows
from tests.deployments.virtual.clock import Clock
from tests.deployments.virtual.cloud import Killed, VirtualCloud
from tests.deployments.virtual.clouds import VirtualClouds
from tests.deployments.virtual.invariants import Before, check_invariants, facts

OTHER_SECRET = "test-key-of-the-other-cloud-9876"
LEASE_SECONDS = Timing().lease_seconds
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
    """One user with a key at one virtual cloud, and the workers.

    ``open_other`` gives the user a key at a second cloud, which sells other machines.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self._monkeypatch = monkeypatch
        self.cloud = VirtualCloud(self.clock)
        self.other = VirtualCloud(self.clock, platform="runpod")
        self.clouds = [self.cloud]
        self.queue: deque[tuple[str, tuple[Any, ...]]] = deque()
        self.planned: list[tuple[datetime, Callable[[], None]]] = []
        self.kills = 0
        # I1, I3: how long a machine that appears late may live; I6, I9: for how long nobody works.
        self.late_seconds: float = 180
        self.excused_seconds: float = 0
        self.away_until = self.clock.now
        self.before = Before()
        virtual_clock.use(self.clock, monkeypatch)
        monkeypatch.setitem(PROVIDERS, "lambda", self.cloud.provider_class())
        monkeypatch.setattr(tasks, "async_task", self._enqueue)
        for module in (booting, collecting, fetching, merging, preparing, training):
            monkeypatch.setattr(module, "connect", partial(remote.connect, self.clouds))
        self._populate()

    def _populate(self) -> None:
        self.user: User = builders.make_user()
        self.cloud.keys = {builders.SECRET}
        builders.make_vault_entry(self.user)
        self.job = builders.make_job(self.user)
        clouds.login_key()

    def start_over(self) -> None:
        """Begin anew, at noon: empty rows, a user with a key, an empty account at the cloud.

        Not to be used inside a transaction of a test's, which would keep all that was deleted.
        """
        rows.delete_all()
        self.clock.now = NOON
        self.cloud.reset()
        self.other.reset()
        del self.clouds[1:]
        self.queue.clear()
        self.planned.clear()
        self.kills = 0
        self.late_seconds, self.excused_seconds = 180, 0
        self.away_until = self.clock.now
        self.before = Before()
        self._populate()

    def open_other(self, *, secret: str = OTHER_SECRET) -> VaultEntry:
        """Give the user a key of the second cloud, and return it."""
        provider = self.other.provider_class()
        self._monkeypatch.setitem(PROVIDERS, self.other.platform, provider)
        self.clouds[1:] = [self.other]
        self.other.keys = {secret}
        return builders.make_vault_entry(self.user, provider=self.other.platform, secret=secret)

    def plan(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen so many seconds from now, between two steps of the workers."""
        self.planned.append((self.clock.in_seconds(seconds), act))

    def deploy(self, **fields: Any) -> Deployment:
        """Accept a deployment now; a budget of 10 USD and an A10 in us-east-1 unless told."""
        now = self.clock.now
        times = dict.fromkeys(("status_since", "created_at", "next_tick_at"), now)
        deployment = builders.make_deployment(self.user, **({"job": self.job} | times | fields))
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
        self._do_planned()
        if self.clock.now >= self.away_until:
            self._work()
        check_invariants(self.facts())

    def _work(self) -> None:
        tasks.claim_due()
        while self.queue:
            path, arguments = self.queue.popleft()
            self._run(partial(import_string(path), *arguments))

    def note_trouble(self) -> None:
        """Remember that something went wrong now: bounds count from the last time."""
        self.before.trouble_at = self.clock.now

    def facts(self) -> facts.Facts:
        """Return what the rows and the cloud say now."""
        if self.clock.now <= self.away_until:
            self.note_trouble()
        return facts.read(
            self.all_clouds,
            now=self.clock.now,
            before=self.before,
            late_seconds=self.late_seconds,
            excused_seconds=self.excused_seconds + self.kills * LEASE_SECONDS,
        )

    @property
    def all_clouds(self) -> VirtualClouds:
        """Every cloud for which the user has a key."""
        return VirtualClouds(self.clouds)

    def machines(self, deployment: Deployment) -> list[Machine]:
        return list(deployment.machines.order_by("attempt"))

    def _enqueue(self, path: str, *arguments: Any, **options: Any) -> None:
        self.queue.append((path, arguments))

    def _has_reached(self, deployment: Deployment, reached: Reached | str | None) -> bool:
        deployment.refresh_from_db()
        if reached is None:
            return deployment.is_terminal
        return deployment.status == reached if isinstance(reached, str) else reached(deployment)

    def _do_planned(self) -> None:
        due = [each for each in self.planned if each[0] <= self.clock.now]
        self.planned = [each for each in self.planned if each[0] > self.clock.now]
        for _, act in sorted(due, key=lambda each: each[0]):
            self._run(act)

    def _run(self, work: Callable[[], object]) -> None:
        """Do something as a process of its own: what kills it kills nothing else."""
        try:
            work()
        except Killed:
            self.kills += 1

    def _next_moment(self) -> datetime | None:
        planned = min((moment for moment, _ in self.planned), default=None)
        due = rows.next_due()
        if due is not None:
            due = max(due, self.away_until)
        return min((moment for moment in (planned, due) if moment is not None), default=None)


def story(deployment: Deployment) -> str:
    """Return the deployment's events, one a line."""
    events = deployment.events.select_related("machine")
    return "\n".join(f"{e.at:%H:%M:%S} {e.from_status:12} {e.kind}: {e.message}" for e in events)


def statuses(deployment: Deployment) -> list[str]:
    """Return the statuses the deployment went through, from its events."""
    changes = deployment.events.exclude(to_status="").order_by("id")
    return list(changes.values_list("to_status", flat=True))
