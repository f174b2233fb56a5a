"""Lives with whatever faults chance picks: no machine is forgotten, none is billed too little."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from deployments.models.deployments import TERMINAL, Status
from deployments.providers.base import InstanceStatus
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.cloud import VirtualCloud
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World

NEVER = 10**6


def script(*faults: str, most: int = 6) -> st.SearchStrategy[list[str]]:
    """Return what the next calls of one kind may meet; most of them nothing."""
    return st.lists(st.sampled_from(["ok", "ok", *faults]), max_size=most)


def with_one_empty(faults: list[str], place: int) -> list[str]:
    """Return the faults with one list that is empty by mistake, if the place is among them.

    Two of them half a minute apart would be what D3 calls proof: no system can tell.
    """
    return [*faults[:place], "empty", *faults[place:]] if place < len(faults) else faults


@dataclass(frozen=True)
class Script:
    """Everything that goes wrong in one life."""

    offers: list[str]
    launch: list[str]
    listing: list[str]
    terminate: list[str]
    ssh: list[str]
    start: list[str]
    download: list[str]
    boot_seconds: float
    plan: Plan
    budget: Decimal
    wait_minutes: int
    attempts: int
    keep_minutes: int
    # A stop after so many steps, and whether it saves.
    stop: tuple[int, bool] | None
    # After so many steps the newest machine that lives becomes this; None: it vanishes.
    turns: tuple[int, InstanceStatus | None] | None

    def begin(self, cloud: VirtualCloud) -> None:
        cloud.fail("offers", *self.offers)
        cloud.fail("launch", *self.launch)
        cloud.fail("list", *self.listing)
        cloud.fail("terminate", *self.terminate)
        cloud.fail("ssh", *self.ssh)
        cloud.fail("start", *self.start)
        cloud.fail("download", *self.download)
        cloud.boot_seconds, cloud.plan = self.boot_seconds, self.plan

    @property
    def late_seconds(self) -> float:
        """How long a late machine may live: each fault may cost the sweep one of its rounds."""
        faults = [fault for fault in (*self.listing, *self.terminate) if fault != "ok"]
        return 180 + QUICK.sweep_seconds * len(faults)


ERROR = {"code": "E_X", "message": "x", "remedy": "y"}
plans = st.builds(
    Plan,
    train_from=st.sampled_from([0.1, 20]),
    exit_at=st.sampled_from([0.2, 80, 80, 300, NEVER]),
    save_seconds=st.sampled_from([5, 5, NEVER]),
    outcome=st.sampled_from(["completed", "completed", "failed", "stopped"]),
    has_adapter=st.sampled_from([True, True, False]),
    falls_silent=st.sampled_from([None, None, None, 30]),
    error=st.sampled_from([None, ERROR | {"retryable": False}, ERROR | {"retryable": True}]),
)
scripts = st.builds(
    Script,
    offers=script("sold_out", "error", "auth", "killed"),
    launch=script(
        "capacity",
        "rate_limited",
        "unreachable",
        "quota",
        "lost",
        "failed",
        "late",
        "lost_late",
        "double",
        "killed_before",
        "killed_after",
    ),
    listing=st.builds(
        with_one_empty, script("error", "auth", "killed", most=20), st.integers(0, 40)
    ),
    terminate=script("error", "lie", "lost", "auth", "killed", "killed_after"),
    ssh=script("unreachable", "auth", "hostkey", "killed", most=12),
    start=script("unknown"),
    download=script("cut"),
    boot_seconds=st.sampled_from([1, 30, 30, 150, NEVER]),
    plan=plans,
    budget=st.sampled_from([Decimal("0.30"), Decimal("0.60"), Decimal("10.00")]),
    wait_minutes=st.sampled_from([0, 5]),
    attempts=st.integers(1, 3),
    keep_minutes=st.sampled_from([0, 0, 2, 30]),
    stop=st.none() | st.tuples(st.integers(0, 40), st.booleans()),
    turns=st.none()
    | st.tuples(
        st.integers(0, 40),
        st.sampled_from([None, InstanceStatus.UNHEALTHY, InstanceStatus.PREEMPTED]),
    ),
)


def live(world: World, script: Script) -> None:
    """Live one life to its end and check all that must hold, at each step and at the end."""
    script.begin(world.cloud)
    world.late_seconds = script.late_seconds
    deployment = world.deploy(
        budget_limit=script.budget,
        wait_for_capacity_minutes=script.wait_minutes,
        max_attempts=script.attempts,
        keep_on_failure_minutes=script.keep_minutes,
        max_hours=Decimal("0.2"),
    )
    begun_at = world.clock.now
    for number in range(3000):
        if script.stop is not None and number == script.stop[0]:
            world.cancel(deployment, save=script.stop[1])
        if script.turns is not None and number == script.turns[0]:
            _turn(world, script.turns[1])
        deployment.refresh_from_db()
        if deployment.status in TERMINAL:
            break
        world.step()
    # I2, I5: twelve minutes of running, five of waiting, and what faults hold up.
    assert (world.clock.now - begun_at).total_seconds() < 2 * 3600
    # F18: what appeared late is ended by the sweep, whatever became of the deployment.
    world.work_for(200 + script.late_seconds)
    check_end(world.cloud, deployment)
    _check_outcome(deployment)


def _turn(world: World, status: InstanceStatus | None) -> None:
    for machine in world.cloud.live()[-1:]:
        if status is None:
            machine.end()
        else:
            machine.shown_as = status


def _check_outcome(deployment: Any) -> None:
    """I21: a failure has a code and a remedy; nothing asks for attention once it is over."""
    assert deployment.attention is None
    if deployment.status == Status.FAILED:
        assert deployment.error["code"].startswith("E_")
        assert deployment.error["bills"] is False
        assert "remedy" in deployment.error
    if deployment.status == Status.COMPLETED:
        assert deployment.artifacts.exists()


@pytest.fixture
def new_world(db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[[], World]:
    """Return a function that makes a fresh world for the next life."""
    settings.TIMING = QUICK
    world = World(monkeypatch)

    def fresh() -> World:
        world.start_over()
        return world

    return fresh


def specify(lives: int) -> Callable[..., Any]:
    return settings(
        max_examples=lives,
        deadline=None,
        # The same lives everywhere: what lands must not hang on chance.
        derandomize=True,
        # A life takes too long to be shrunk; the script that failed is printed whole.
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@specify(lives=100)
@given(script=scripts)
def test_I1_I3_I4_I8_I13_no_life_leaves_a_machine_or_bills_too_little(
    new_world: Callable[[], World], script: Script
) -> None:
    with transaction.atomic():
        note(repr(script))
        live(new_world(), script)
        transaction.set_rollback(True)


@pytest.mark.full
@specify(lives=400)
@given(script=scripts)
def test_the_same_for_many_more_lives(new_world: Callable[[], World], script: Script) -> None:
    with transaction.atomic():
        note(repr(script))
        live(new_world(), script)
        transaction.set_rollback(True)
