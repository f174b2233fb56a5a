"""One life after one script: the real lifecycle, rows and people; cloud and clock are virtual."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from string import ascii_letters, digits

import pytest
from django.conf import settings
from django.db import connection

from core import database
from deployments import clouds, reaper, services
from deployments.api.inputs import DeployBody
from deployments.lifecycle.advance import advance
from deployments.models import Deployment
from deployments.models.deployments import TERMINAL, Status
from secrets_vault.models import VaultEntry
from tests import builders
from tests.chaos import people
from tests.chaos.chance import why_it_could_not_succeed
from tests.chaos.script import MAX_HOURS, Moment, Other, Script, script_of
from tests.chaos.turns import TURNS
from tests.deployments.api.calls import Caller
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.cloud import Outage
from tests.deployments.virtual.invariants import check_end, secrecy
from tests.deployments.virtual.invariants.steps import check_shown
from tests.deployments.virtual.shaky import ShakyDatabase
from tests.deployments.virtual.tripwire import Tripwire, When
from tests.deployments.virtual.world import QUICK, World, story

MOST_STEPS = 6000
# F18: what appears late is ended by the sweep, whatever became of the deployment.
AFTERWARDS_SECONDS = 900
REAP_EACH_SECONDS = 300
SLEEP_SECONDS = 3600
OTHER_PLACE = ("A10 pod", "US-KS-2")
RUN = {"max_hours": str(MAX_HOURS), "name": "Sums"}


@dataclass(frozen=True)
class Outcome:
    """What became of one life."""

    seed: int
    status: str
    error_code: str
    machines: int
    faults: Counter[str]
    simulated_seconds: float
    steps: int
    # How many machines were rented at another cloud than the preferred one, and at how many clouds.
    moved: int
    clouds: int
    # Why this life was not bound to succeed; "" for one that was.
    forbidden_by: str

    @property
    def succeeded(self) -> bool:
        return self.status == Status.COMPLETED


class LifeFailedError(AssertionError):
    """A life that broke an invariant: its script and its story are the message."""


class Stage:
    """What lives are lived on: one world, watched at every boundary, made anew for each life."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, data_folder: Path) -> None:
        monkeypatch.setattr(settings, "TIMING", QUICK)
        monkeypatch.setattr(settings, "SLIPWAY_DATA_DIR", data_folder)
        # Real seconds would be waited there.
        monkeypatch.setattr(database, "pause", lambda: None)
        self.world = World(monkeypatch)
        self.tripwire = Tripwire(monkeypatch)
        self.shaky = ShakyDatabase(monkeypatch, noticed=self.world.note_trouble)
        self.log = Lines()

    def live(self, seed: int) -> Outcome:
        """Live the life of that seed; raises LifeFailedError with its script and story."""
        return self.play(script_of(seed))

    def play(self, script: Script) -> Outcome:
        """Live the life of that script."""
        self.world.start_over()
        with self.log.kept():
            life = Life(self, script)
            try:
                return life.live()
            except Exception as error:
                raise LifeFailedError(life.told(error)) from error
            finally:
                self.tripwire.hook = lambda name, when: None
                self.shaky.share = 0.0


class Lines(logging.Handler):
    """Keeps every line that is logged, as text, tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is logged meanwhile, and nothing from before; nobody else gets it."""
        self.lines.clear()
        root = logging.getLogger()
        others, root.handlers = root.handlers, [self]
        try:
            yield
        finally:
            root.handlers = others


class Life:
    """One life while it is lived."""

    def __init__(self, stage: Stage, script: Script) -> None:
        self.world, self.stage, self.script = stage.world, stage, script
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.interrupted: Counter[str] = Counter()
        self.is_nested = False
        self.boundaries = 0
        self.deployment: Deployment | None = None
        self._seen: set[str] = set()
        self._secrets: list[str] = []
        self._random = Random(script.seed)
        self._caller: Caller | None = None

    def live(self) -> Outcome:
        world, script = self.world, self.script
        self._move_in()
        begun_at = world.clock.now
        self.deployment = deployment = self._deploy()
        self._begin()
        while deployment.status not in TERMINAL:
            self._notice(deployment.status)
            if world.before.steps > MOST_STEPS:
                raise AssertionError(f"I5: {deployment.status} after {MOST_STEPS} steps")
            world.step()
            deployment.refresh_from_db()
        lived = (world.clock.now - begun_at).total_seconds()
        steps = world.before.steps
        world.work_for(AFTERWARDS_SECONDS + script.outage_seconds())
        check_end(world.all_clouds, deployment)
        check_shown(world.facts())
        self._check_secrecy()
        calls = world.all_clouds.calls
        faults = Counter(f"{kind}:{fault}" for kind, fault in calls if fault != "ok")
        faults += Counter({f"worker:{what}": n for what, n in self.interrupted.items()})
        faults += Counter({f"person:{what}": n for what, n in self.done.items()})
        faults["database:away"] += self.stage.shaky.failures
        return Outcome(
            seed=script.seed,
            status=deployment.status,
            error_code=(deployment.error or {}).get("code", ""),
            machines=len(world.all_clouds.machines),
            faults=+faults,
            simulated_seconds=lived,
            steps=steps,
            moved=sum(
                len(cloud.machines)
                for cloud in world.clouds
                if cloud.platform != deployment.platform
            ),
            clouds=sum(bool(cloud.machines) for cloud in world.clouds),
            forbidden_by=why_it_could_not_succeed(self, faults),
        )

    def told(self, error: Exception) -> str:
        """Return what a person needs to find the fault: the script and the story."""
        events = story(self.deployment) if self.deployment else ""
        now = f"{self.world.clock.now:%H:%M:%S}"
        return f"seed {self.script.seed} at {now}: {error!r}\n{self.script}\n{events}"

    def new_secret(self) -> str:
        """Return a cloud key like no word."""
        self._secrets.append("".join(self._random.choices(ascii_letters + digits, k=40)))
        return self._secrets[-1]

    def post(self) -> str:
        """Ask for the deployment over the REST interface, under one Idempotency-Key."""
        self._caller = self._caller or Caller(self.world.user)
        answer = self._caller.call(
            "POST",
            f"training/deploy/{self._platform}",
            self._request,
            **{"Idempotency-Key": f"life-{self.script.seed}"},
        )
        assert answer.status_code == 202, answer.content
        return str(answer.json()["deployment_id"])

    def _move_in(self) -> None:
        """Give the owner a key that occurs nowhere else, and a config to deploy."""
        world, secret = self.world, self.new_secret()
        VaultEntry.objects.all().delete()
        builders.make_vault_entry(world.user, secret=secret)
        world.cloud.keys = {secret}
        script = self.script
        config = world.job.training_config
        self._request = RUN | {
            "training_config_id": str(config.pk if config else ""),
            "instance_type": "gpu_1x_a10",
            "region": "us-east-1",
            "budget_limit": str(script.budget),
            "wait_for_capacity_minutes": script.wait_minutes,
            "max_attempts": script.attempts,
            "keep_on_failure_minutes": script.keep_minutes,
        }
        self._platform = "lambda"
        if script.other is not None:
            self._open_other(script.other)

    def _open_other(self, other: Other) -> None:
        """Give the owner a key of the second cloud, and ask for both as the script says."""
        self.world.open_other(secret=self.new_secret())
        self.world.other.prices = {OTHER_PLACE: other.price}
        if other.way == "auto":
            self._platform = "auto"
            both = {"instance_type": "auto", "region": "auto", "max_hourly_price": "1.60"}
            self._request |= both
            return
        places = [("lambda", "gpu_1x_a10", "us-east-1"), ("runpod", *OTHER_PLACE)]
        if other.way == "first":
            places.reverse()
        (self._platform, instance_type, region), second = places
        names = ("platform", "instance_type", "region")
        self._request |= {
            "instance_type": instance_type,
            "region": region,
            "fallbacks": [dict(zip(names, second, strict=True))],
        }

    def _deploy(self) -> Deployment:
        if any(moment.what == "deploy_again" for moment in self.script.actions):
            return Deployment.objects.get(pk=self.post())
        body = DeployBody(data=self._request)
        body.is_valid(raise_exception=True)
        return services.deploy(self.world.user, self._platform, body.as_request())

    def _begin(self) -> None:
        """From here on things go wrong."""
        world, cloud, script = self.world, self.world.cloud, self.script
        cloud.calls.clear()
        for kind, faults in script.faults.items():
            cloud.fail(kind, *faults)
        if script.other is not None:
            self._begin_at_other(script.other)
        cloud.boot_seconds, cloud.late_seconds = script.boot_seconds, script.late_seconds
        cloud.plans.extend(script.plans)
        cloud.plan = Plan()
        world.late_seconds = self._late_seconds()
        for window in script.windows:
            begin, end = (world.clock.in_seconds(s) for s in (window.begin, window.end))
            if window.what == "workers":
                world.plan(window.begin, partial(self._go_away, window.end - window.begin))
            else:
                away = world.other if script.other and script.other.has_outage else cloud
                away.outages.append(Outage(begin, end, window.what))
        if script.new_price is not None:
            world.plan(self._random.uniform(0, 200), partial(self._change_price, script.new_price))
        self.stage.tripwire.hook = self._at_boundary
        self.stage.shaky.begin(share=script.database_failures, seed=script.seed)

    def _begin_at_other(self, other: Other) -> None:
        cloud = self.world.other
        cloud.calls.clear()
        for kind, faults in other.faults.items():
            cloud.fail(kind, *faults)
        cloud.boot_seconds, cloud.late_seconds = other.boot_seconds, self.script.late_seconds
        # Wherever they are started: the first agents do what the script says.
        cloud.plans = self.world.cloud.plans

    def _late_seconds(self) -> float:
        """How long a late machine may live: each fault may cost the sweep one of its rounds."""
        script = self.script
        both = [script.faults, *([script.other.faults] if script.other else [])]
        met = [fault for each in both for kind in ("list", "terminate") for fault in each[kind]]
        rounds = [fault for fault in met if fault != "ok"]
        stuck = 400 * met.count("stuck")
        slept = SLEEP_SECONDS * list(script.interruptions.values()).count("asleep")
        rounds_seconds = QUICK.sweep_seconds * (len(rounds) + len(script.interruptions))
        return 180 + rounds_seconds + stuck + slept + script.outage_seconds()

    def _notice(self, status: str) -> None:
        """What is to happen some time after a status is first seen is planned when it is."""
        if status in self._seen:
            return
        self._seen.add(status)
        for moment in self.script.turns:
            if moment.status == status:
                self.world.plan(moment.seconds, partial(self._turn, moment))
        for moment in self.script.actions:
            if moment.status == status:
                self.world.plan(moment.seconds, partial(people.act, self, moment.what))

    def _turn(self, moment: Moment) -> None:
        newest = sorted(self.world.all_clouds.live(), key=lambda machine: machine.started_at)
        for machine in newest[-1:]:
            TURNS[moment.what](machine)
            self.interrupted[f"machine_{moment.what}"] += 1
            self.world.before.trouble_at = self.world.clock.now

    def _change_price(self, price: Decimal) -> None:
        self.world.cloud.prices = dict.fromkeys(self.world.cloud.prices, price)
        self.interrupted["new_price"] += 1

    def _go_away(self, seconds: float) -> None:
        """No worker works; the timer's reap runs on (D7)."""
        world = self.world
        world.away_until = world.clock.in_seconds(seconds)
        world.excused_seconds += min(seconds, 2 * REAP_EACH_SECONDS)
        self.interrupted["all_away"] += 1
        for number in range(1, int(seconds // REAP_EACH_SECONDS) + 1):
            world.plan(number * REAP_EACH_SECONDS, self._reap)
        world.plan(seconds, lambda: setattr(world.before, "trouble_at", world.clock.now))

    def _reap(self) -> None:
        for entry in reaper.accounts():
            reaper.sweep_account(entry)

    def _at_boundary(self, name: str, when: When) -> None:
        if when == "before":
            self.boundaries += 1
            what = self.script.interruptions.get(self.boundaries)
            self._after = what == "killed_after"
            if what is None or self._after or self.is_nested:
                return
            self._interrupt(what)
        elif self._after:
            self._after = False
            self._interrupt("killed_after")

    def _interrupt(self, what: str) -> None:
        if what.startswith("killed"):
            self.interrupted[what] += 1
            self.world.before.trouble_at = self.world.clock.now
            self.stage.tripwire.die()
        if connection.in_atomic_block or self.deployment is None:
            # Nobody else gets in while rows are being written.
            return
        self.interrupted[what] += 1
        self.is_nested = True
        try:
            if what == "other_worker":
                advance(self.deployment.pk, may_block=True)
            elif what == "reap":
                self._reap()
            else:
                self._sleep()
        finally:
            self.is_nested = False

    def _sleep(self) -> None:
        """This worker sleeps for an hour; others go on."""
        world, waiting = self.world, list(self.world.queue)
        world.queue.clear()
        world.work_for(SLEEP_SECONDS)
        world.queue.extend(waiting)

    def _check_secrecy(self) -> None:
        pieces = {piece for secret in self._secrets for piece in secrecy.pieces(secret)}
        login = clouds.login_key()
        pieces.update(secrecy.private_lines(login.private_key, login.public_key))
        clouds_ = self.world.all_clouds
        for machine, key in zip(clouds_.machines, clouds_.private_keys, strict=True):
            pieces.update(secrecy.private_lines(key, machine.host_key))
        files = (
            content.decode("utf-8", "replace")
            for machine in clouds_.machines
            for content in machine.files.values()
        )
        secrecy.check_nowhere(
            pieces, [*secrecy.all_rows(), "\n".join(self.stage.log.lines), *files]
        )
