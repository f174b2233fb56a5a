"""The decision alone over tens of thousands of situations: what it must never do, and always."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from deployments.lifecycle.actions import Action, Do, Effect, Record, Rest
from deployments.lifecycle.decide import decide
from deployments.lifecycle.edges import is_allowed
from deployments.lifecycle.situation import Situation
from deployments.models import Deployment, Machine, RunState
from deployments.models.deployments import TERMINAL, Desired, LaunchState, Status
from tests.deployments.lifecycle import situations as some

S = Status
SITUATIONS = 20_000
# Statuses that a machine of this deployment must have brought about.
WITH_MACHINE = (S.BOOTING, S.PREPARING, S.TRAINING, S.COLLECTING)
# Seconds ago, from now to two days.
AGES = (0, 1, 5, 29, 31, 59, 61, 119, 121, 300, 601, 1199, 1201, 3601, 90_000, 172_800)
LONGEST_REST_SECONDS = 300.0
ERROR = {"code": "E_X", "message": "x", "remedy": "y", "retryable": False}


def _maybe(random: Random, make: Callable[[], Any], *, share: float = 0.5) -> Any:
    return make() if random.random() < share else None


def a_deployment(random: Random, status: Status) -> Deployment:
    def moment() -> Any:
        return some.ago(random.choice(AGES))

    return some.a_deployment(
        status,
        status_since=moment(),
        desired=Desired.STOP if random.random() < 0.15 else Desired.RUN,
        save_wanted=random.random() < 0.5,
        landing=random.choice(["", "finished", "failed", "stop", "budget", "deadline", "silence"])
        if status in (S.COLLECTING, S.TERMINATING)
        else "",
        outcome=random.choice([S.COMPLETED, S.FAILED, S.CANCELLED])
        if status == S.TERMINATING
        else "",
        error=_maybe(random, lambda: dict(ERROR), share=0.2),
        attention=_maybe(random, lambda: {**ERROR, "kind": "x"}, share=0.1),
        budget_limit=random.choice([Decimal("0.05"), Decimal("0.50"), *[Decimal(200)] * 6]),
        max_hours=random.choice([Decimal("0.05"), Decimal(1), *[Decimal(72)] * 6]),
        max_attempts=random.randint(1, 3),
        keep_on_failure_minutes=random.choice([0, 0, 30]),
        kept_until=_maybe(random, moment, share=0.1),
        capacity_deadline=_maybe(random, moment, share=0.7),
    )


def an_active_machine(**fields: Any) -> Machine:
    """Return a machine that is up and has let nobody in yet."""
    return some.a_machine(active_at=some.ago(60), **fields)


def a_machine(random: Random, attempt: int, *, newest: bool, status: Status) -> Machine:
    """Return a machine; older ones are over, and what is booted up was launched."""
    fields: dict[str, Any] = {"attempt": attempt, "name": f"slwtst-0a1b2c3d-a{attempt}-n0-t1"}
    if not newest:
        return random.choice(
            [some.gone(some.working(**fields)), some.refused("capacity", **fields)]
        )
    if status in WITH_MACHINE:
        stages = (some.a_machine, an_active_machine, some.logged_in, some.working)
        made = random.choice(stages)(**fields)
    else:
        kinds: list[Callable[[], Machine]] = [
            lambda: some.a_machine(**fields),
            lambda: some.working(**fields),
            lambda: some.unclear(**fields),
            lambda: some.unclear(**fields, launch_state=LaunchState.INTENT, launch_ended_at=None),
            lambda: some.unclear(
                **fields, launch_state=LaunchState.NEVER_SEEN, billed_usd=Decimal(0)
            ),
            lambda: some.refused(
                random.choice(["capacity", "quota", "rate_limited", "unreachable"]), **fields
            ),
            lambda: some.gone(some.working(**fields)),
        ]
        made = random.choice(kinds)()
    if made.may_live:
        _let_trouble_in(random, made)
    return made


def _let_trouble_in(random: Random, machine: Machine) -> None:
    machine.requested_at = some.ago(random.choice([300, 301, 400, 500, 1500, 4000, 90_000]))
    machine.seen_status = random.choice([*["active"] * 12, "booting", "unhealthy", "preempted"])
    if random.random() < 0.1:
        since = random.choice([0, 10, 31, 200])
        some.absent(machine, since=since, until=0, lists=random.randint(1, 6))
    if random.random() < 0.05:
        machine.fault = {**ERROR, "retryable": random.random() < 0.5}
    if random.random() < 0.1:
        machine.end_wanted_at = some.ago(random.choice(AGES))
    if random.random() < 0.3:
        machine.next_terminate_at = some.ago(random.choice([-250, -5, 0, 5]))
    if random.random() < 0.2:
        machine.seen_instance_id = "i-77"


def a_run(random: Random) -> RunState | None:
    ended = random.random() < 0.3
    return random.choice(
        [
            None,
            some.a_run(
                silent_seconds=random.choice([0, 0, 0, 130, 310, 700]),
                phase=random.choice(["preflight", "install", "train", "save"]),
                error=_maybe(random, lambda: dict(ERROR), share=0.2),
            ),
            some.ended(
                random.choice(["completed", "failed", "stopped"]),
                has_adapter=random.random() < 0.7,
                error=_maybe(random, lambda: {**ERROR, "retryable": random.random() < 0.5}),
            )
            if ended
            else some.a_run(),
        ]
    )


def situation_of(random: Random) -> Situation:
    """Return one situation that rows may be in."""
    status = random.choice([status for status in Status if status not in TERMINAL])
    least = 1 if status in WITH_MACHINE else 0
    count = 0 if status in (S.QUEUED,) else random.randint(least, 3)
    machines = tuple(
        a_machine(random, number, newest=number == count, status=status)
        for number in range(1, count + 1)
    )
    if status in (S.WAITING_FOR_CAPACITY,) and machines and machines[-1].may_live:
        machines = machines[:-1]
    made = some.situation(
        a_deployment(random, status),
        *machines,
        run=a_run(random) if machines else None,
        adapter_home=random.random() < (0.5 if status == S.COLLECTING else 0.2),
        strays=(some.a_stray(),) if random.random() < 0.05 else (),
    )
    if made.run is not None and made.run.exit is not None:
        made.run.exit["merge"] = random.choice(["", "made", "made", "left"])
    return replace(
        made,
        card_due=random.random() < 0.3,
        merged_home=made.adapter_home and random.random() < 0.2,
        cloud_error=_maybe(random, lambda: {**ERROR, "code": "E_AUTH"}, share=0.1),
        owner_may_run=random.random() < 0.97,
    )


def check(s: Situation, action: Action) -> None:
    """Fail when the action is one that must not be."""
    may_live = any(machine.may_live for machine in s.machines)
    if isinstance(action, Rest):
        assert action.seconds is not None, "I5: it rests for ever"
        assert 0 <= action.seconds <= LONGEST_REST_SECONDS, "I5"
    if isinstance(action, Do):
        if action.effect is Effect.LAUNCH:
            assert not may_live, "I3: a second machine"
            assert s.deployment.desired == Desired.RUN, "F24: a launch against a wish"
        if action.effect is Effect.TERMINATE:
            assert action.machine is not None
            assert action.machine.may_live, "D3: the end of what is gone"
    if isinstance(action, Record) and action.to is not None:
        assert is_allowed(s.deployment.status, action.to), "I4"
        if action.to in TERMINAL:
            assert not may_live, "I1, D3: over, and a machine may live"
            assert not s.stray_bills, "I1, I20: over, and a stray bills"
        if action.to == S.LAUNCHING:
            assert not may_live, "I3: on to a second machine"


@pytest.mark.parametrize("first", range(0, SITUATIONS, SITUATIONS // 2))
def test_D4_I1_I3_I4_I5_what_is_decided_may_be_done(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(first, first + SITUATIONS // 2):
        s = situation_of(Random(seed))
        action = decide(s)
        try:
            check(s, action)
            assert repr(decide(s)) == repr(action), "D4: the same rows, another decision"
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}: {action} for {vars(s)}") from error
        seen[action.effect if isinstance(action, Do) else type(action).__name__] += 1

    # Every kind of action came up, so that the checks above had something to look at.
    assert {*seen} >= {"Rest", "Record", *(str(effect) for effect in Effect)} - {"fetch"}, seen


def test_I13_what_is_not_known_ends_nothing_and_rents_nothing() -> None:
    """The same rows with and without lists that failed: no status changes for want of knowledge."""
    for seed in range(3_000):
        s = situation_of(Random(seed))
        silent = replace(s, cloud_error={**ERROR, "code": "E_PROVIDER_UNREACHABLE"})
        known = replace(s, cloud_error=None)
        action, other = decide(silent), decide(known)
        if isinstance(action, Record) and action.to is not None:
            # Only a notice may come first; it changes no status.
            assert isinstance(other, Record), f"seed {seed}: {action} but {other}"
            assert other.to in (action.to, None), f"seed {seed}: {action} but {other}"
