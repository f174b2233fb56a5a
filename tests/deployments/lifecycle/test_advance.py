"""One tick: it does at most one thing outside, never raises, and says when to look again (D4)."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.errors import SlipwayError
from deployments.lifecycle import advance as advancing
from deployments.lifecycle.actions import Action, Effect, Record, Rest
from deployments.lifecycle.advance import ATTENTION_AFTER, PERFORM, advance
from deployments.lifecycle.decide import decide as real_decide
from deployments.lifecycle.lease import Lease, LeaseLostError
from deployments.lifecycle.situation import Situation
from deployments.models import CloudSnapshot, Deployment, Machine
from deployments.models.deployments import TERMINAL, Status
from deployments.timing import Timing
from tests.deployments.virtual.acting import events, with_machine
from tests.deployments.virtual.cloud import Killed
from tests.deployments.virtual.world import World

TIMING = Timing()
Decide = Callable[[Situation], Action]


def tick(deployment: Deployment, *, may_block: bool = True) -> Effect | None:
    """Do one tick and read the deployment again."""
    waiting = advance(deployment.pk, may_block=may_block)
    deployment.refresh_from_db()
    return waiting


def rest_of(world: World, deployment: Deployment) -> float:
    """Return in how many seconds the deployment is looked at again."""
    assert deployment.next_tick_at is not None
    return (deployment.next_tick_at - world.clock.now).total_seconds()


def perform(monkeypatch: pytest.MonkeyPatch, effect: Effect, error: BaseException) -> None:
    """Let that effect fail with this error each time."""

    def failing(lease: Lease, machine: Machine | None) -> float:
        raise error

    monkeypatch.setitem(PERFORM, effect, failing)


def test_every_effect_has_its_module() -> None:
    assert set(PERFORM) == set(Effect)


def test_one_tick_follows_its_records_to_the_first_effect(world: World) -> None:
    deployment = world.deploy()

    tick(deployment)

    assert events(deployment) == ["launching", "launch_requested", "launched"]
    assert rest_of(world, deployment) == 0
    assert (deployment.lease_until, deployment.lease_purpose) == (None, "")


def test_what_speaks_ssh_is_left_to_a_worker_that_may(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.BOOTING, active_at=world.clock.now)

    assert tick(deployment, may_block=False) is Effect.LOG_IN

    machine.refresh_from_db()
    assert machine.login_at is None
    assert rest_of(world, deployment) == TIMING.claim_seconds
    assert tick(deployment, may_block=True) is None
    machine.refresh_from_db()
    assert machine.login_at is not None


@pytest.mark.parametrize("effect", [Effect.LAUNCH, Effect.TERMINATE])
def test_money_waits_for_no_ssh_worker(effect: Effect) -> None:
    assert not effect.may_block


def test_a_deployment_that_is_over_is_never_due_again(world: World) -> None:
    for status in sorted(TERMINAL):
        deployment = world.deploy(status=status)

        assert tick(deployment) is None
        assert deployment.next_tick_at is None


def test_a_tick_of_what_is_not_there_does_nothing(world: World) -> None:
    assert advance(uuid.uuid4(), may_block=True) is None


def test_F8_F20_a_tick_while_another_holds_the_lease_does_nothing(world: World) -> None:
    deployment = world.deploy()
    Lease.take(deployment.pk, purpose="tick", seconds=50)

    assert tick(deployment) is None

    assert events(deployment) == []
    assert deployment.next_tick_at == world.clock.now


def test_D5_a_tick_that_loses_its_lease_stops_and_leaves_the_row_to_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)

    def taken_over(lease: Lease, machine: Machine | None) -> float:
        Deployment.objects.update(version=99, lease_purpose="stop")
        lease.write(deployment={"phase": "never"})
        raise AssertionError("the lease was not lost")

    monkeypatch.setitem(PERFORM, Effect.LAUNCH, taken_over)

    assert tick(deployment) is None
    assert (deployment.version, deployment.lease_purpose) == (99, "stop")
    assert deployment.failed_ticks == 0


# What fails.


def test_F10_an_unexpected_error_never_leaves_the_tick_and_is_tried_less_and_less_often(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)
    perform(monkeypatch, Effect.LAUNCH, RuntimeError("a bug"))
    rests = []
    for _ in range(14):
        tick(deployment)
        rests.append(rest_of(world, deployment))

    assert rests == sorted(rests)
    assert rests[-1] == 60
    assert deployment.failed_ticks == 14
    assert deployment.lease_until is None


def test_F10_the_fifth_failure_asks_for_attention(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)
    perform(monkeypatch, Effect.LAUNCH, SlipwayError("No way.", code="E_X", remedy="Wait."))

    asked = []
    for _ in range(ATTENTION_AFTER):
        tick(deployment)
        asked.append(deployment.attention is not None)

    assert asked == [False] * (ATTENTION_AFTER - 1) + [True]
    assert deployment.attention is not None
    assert (deployment.attention["code"], deployment.attention["remedy"]) == ("E_X", "Wait.")
    assert "No way." in deployment.attention["message"]
    # I4: told under the lease that met it.
    assert deployment.events.get(kind="attention").version == deployment.version


def test_what_works_again_no_longer_asks_for_attention(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)
    with monkeypatch.context() as broken:
        perform(broken, Effect.LAUNCH, SlipwayError("No way."))
        for _ in range(6):
            tick(deployment)
    tick(deployment)

    assert (deployment.failed_ticks, deployment.attention) == (0, None)


def test_an_answer_of_the_cloud_or_machine_is_tried_again_at_the_next_poll(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)
    perform(monkeypatch, Effect.LAUNCH, SlipwayError("No way."))

    tick(deployment)

    assert rest_of(world, deployment) == TIMING.poll_seconds


def test_F10_a_poisoned_decision_stops_no_other_deployment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned, healthy = world.deploy(), world.deploy()

    def decide(situation: Situation) -> Action:
        if situation.deployment.pk == poisoned.pk:
            # I5 counts from the last trouble.
            world.before.trouble_at = world.clock.now
            raise ValueError("a row that nobody foresaw")
        return real_decide(situation)

    monkeypatch.setattr(advancing, "decide", decide)
    world.until(healthy)

    poisoned.refresh_from_db()
    assert healthy.status == Status.COMPLETED
    assert poisoned.failed_ticks >= ATTENTION_AFTER
    assert poisoned.attention is not None


def test_F19_a_killed_tick_leaves_its_lease_to_run_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)
    perform(monkeypatch, Effect.LAUNCH, Killed())

    with pytest.raises(Killed):
        advance(deployment.pk, may_block=True)

    deployment.refresh_from_db()
    assert deployment.lease_until == world.clock.in_seconds(TIMING.lease_seconds)
    assert Lease.take(deployment.pk, purpose="tick", seconds=50) is None
    world.clock.advance(51)
    assert Lease.take(deployment.pk, purpose="tick", seconds=50) is not None


def test_records_that_never_end_are_broken_off_and_gone_on_with_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy()
    monkeypatch.setattr(advancing, "decide", lambda situation: Record("again", "And again."))

    tick(deployment)

    assert len(events(deployment)) == advancing.MAX_RECORDS
    assert rest_of(world, deployment) == 0


# What is looked at.


def observed(deployment: Deployment) -> Situation:
    lease = Lease.take(deployment.pk, purpose="tick", seconds=50)
    assert lease is not None
    return advancing.observe(lease, timing=TIMING)


def test_the_situation_is_read_fresh_and_whole(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.TRAINING)
    CloudSnapshot.objects.update(error={"code": "E_AUTH", "retryable": False})

    situation = observed(deployment)

    assert situation.machines == (machine,)
    assert (situation.run, situation.adapter_home, situation.strays) == (None, False, ())
    assert situation.cloud_error == {"code": "E_AUTH", "retryable": False}
    assert situation.now == world.clock.now


def test_rest_is_counted_from_the_end_of_the_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)

    def slow(lease: Lease, machine: Machine | None) -> float:
        world.clock.advance(20)
        return 5.0

    monkeypatch.setitem(PERFORM, Effect.LAUNCH, slow)
    tick(deployment)

    assert rest_of(world, deployment) == 5
    assert deployment.last_tick_at is not None


def test_a_rest_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = world.deploy()
    monkeypatch.setattr(advancing, "decide", lambda situation: Rest(42))

    tick(deployment)

    assert deployment.next_tick_at == world.clock.now + timedelta(seconds=42)


def test_the_loss_of_a_lease_is_no_failure_of_slipway() -> None:
    assert not issubclass(LeaseLostError, SlipwayError)
