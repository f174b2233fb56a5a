"""The kill switch: everything ends, nothing starts, until it is off again (T20)."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from core.errors import ConflictError, InvalidInputError
from core.models import AuditEntry
from deployments import kill_switch, services, spending
from deployments.lifecycle import launching
from deployments.management.commands import kill_switch as kill_switch_command
from deployments.models import Deployment, Event
from deployments.models.deployments import Desired, LaunchState, Status
from deployments.providers import PROVIDERS
from deployments.providers.base import InstanceStatus, LaunchRequest, LaunchResult
from deployments.remote import KeyPair, generate_key_pair
from deployments.services import DeployRequest
from tests import builders
from tests.deployments.virtual.acting import events
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World

S = Status
REASON = "a token was stolen"


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.TIMING = QUICK


def turn_on(*, save: bool = False) -> int:
    return kill_switch.turn_on(actor=None, reason=REASON, save=save)


def ask(world: World) -> Deployment:
    """Ask for a run as a person does."""
    config = builders.make_config(world.user)
    request = DeployRequest(training_config_id=str(config.pk), budget_limit=Decimal(10))
    return services.deploy(world.user, "lambda", request)


def command(*arguments: str) -> str:
    said = StringIO()
    call_command(kill_switch_command.Command(), *arguments, stdout=said, stderr=said)
    return said.getvalue()


# Turning it.


def test_every_living_deployment_of_everybody_is_to_stop_without_saving(world: World) -> None:
    mine, theirs = world.deploy(), builders.make_deployment(status=S.COLLECTING)
    over = builders.make_deployment(status=S.COMPLETED)

    living = turn_on()

    assert living == 2
    for deployment in (mine, theirs):
        deployment.refresh_from_db()
        assert (deployment.desired, deployment.save_wanted) == (Desired.STOP, False)
        told = deployment.events.get(kind="stop_asked")
        assert REASON in told.message
    over.refresh_from_db()
    assert over.desired == Desired.RUN


def test_money_comes_before_a_run_that_was_saving_and_it_is_told(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cancel(deployment, save=True)

    turn_on()

    deployment.refresh_from_db()
    assert not deployment.save_wanted
    assert [event.data["save"] for event in deployment.events.filter(kind="stop_asked")] == [
        True,
        False,
    ]


def test_with_save_runs_come_home_first(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)

    turn_on(save=True)
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert deployment.artifacts.filter(kind="adapter").exists()
    check_end(world.cloud, deployment)


def test_it_needs_a_reason(world: World) -> None:
    with pytest.raises(InvalidInputError):
        kill_switch.turn_on(actor=None, reason="  ")

    assert spending.limits().launches_blocked_at is None


def test_I19_turning_it_is_audited_and_turning_it_on_again_keeps_its_moment(world: World) -> None:
    world.deploy()
    root = builders.make_user("root")

    turn_on()
    first = spending.limits().launches_blocked_at
    world.clock.advance(60)
    kill_switch.turn_on(actor=root, reason="still")
    again = spending.limits()
    assert (again.launches_blocked_at, again.launches_blocked_by) == (first, "root")
    assert kill_switch.turn_off(actor=root)
    assert not kill_switch.turn_off(actor=root)

    rows = AuditEntry.objects.filter(action__startswith="kill_switch").order_by("id")
    assert [(row.action, row.who) for row in rows] == [
        ("kill_switch.on", "system"),
        ("kill_switch.on", "root"),
        ("kill_switch.off", "root"),
    ]
    assert rows[0].data == {"reason": REASON, "save": False, "living": 1}


# What it keeps from happening.


def test_nothing_is_accepted_until_it_is_off_again(world: World) -> None:
    turn_on()

    with pytest.raises(ConflictError) as refused:
        ask(world)

    assert refused.value.code == "E_LAUNCHES_BLOCKED"
    assert REASON in refused.value.message
    assert not Deployment.objects.exists()
    kill_switch.turn_off(actor=None)
    assert ask(world).status == S.QUEUED


@pytest.mark.parametrize(
    "status", [S.QUEUED, S.LAUNCHING, S.BOOTING, S.PREPARING, S.TRAINING, S.COLLECTING]
)
def test_it_ends_a_run_in_any_status(world: World, status: Status) -> None:
    deployment = world.until(world.deploy(), status)
    rented = len(world.cloud.machines)

    turn_on()
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert len(world.cloud.machines) == rented
    check_end(world.cloud, deployment, exact=True)


def test_who_waits_for_capacity_rents_nothing_when_it_comes(world: World) -> None:
    world.cloud.fail("offers", "sold_out")
    deployment = world.until(world.deploy(), S.WAITING_FOR_CAPACITY)

    turn_on()
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert not world.cloud.machines


def test_a_lost_machine_is_not_replaced(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    world.cloud.machines[0].shown_as = InstanceStatus.PREEMPTED
    world.until(deployment, S.RECOVERING)

    turn_on()
    world.until(deployment)

    assert deployment.status == S.CANCELLED
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment, exact=True)


def test_turned_after_a_launch_was_decided_the_intent_is_withdrawn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned_meanwhile(name: str) -> KeyPair:
        turn_on()
        return generate_key_pair(name)

    monkeypatch.setattr(launching, "generate_key_pair", turned_meanwhile)
    deployment = world.until(world.deploy())

    assert deployment.status == S.CANCELLED
    assert ("launch", "ok") not in world.cloud.calls
    assert not world.cloud.machines
    machine = deployment.machines.get()
    assert (machine.launch_state, machine.billed_usd) == (LaunchState.REFUSED, Decimal(0))
    assert machine.refusal is not None
    assert machine.refusal["code"] == "E_LAUNCHES_BLOCKED"


@pytest.mark.parametrize("fault", ["ok", "lost", "lost_late", "late", "killed_after"])
def test_turned_while_a_launch_is_under_way_what_it_brings_is_settled_and_ended(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    provider = world.cloud.provider_class()
    world.cloud.fail("launch", fault)

    def turned_meanwhile(self: Any, request: LaunchRequest) -> LaunchResult:
        turn_on()
        return world.cloud.provider_class().launch(self, request)

    monkeypatch.setattr(provider, "launch", turned_meanwhile)
    monkeypatch.setitem(PROVIDERS, "lambda", provider)
    deployment = world.until(world.deploy())

    assert deployment.status == S.CANCELLED
    assert len(world.cloud.machines) == 1
    check_end(world.cloud, deployment)


def test_a_run_that_nobody_stopped_launches_nothing_while_it_is_on(world: World) -> None:
    deployment = world.deploy()
    builders.make_limits(launches_blocked_at=world.clock.now)

    world.until(deployment)

    assert deployment.status == S.FAILED
    assert deployment.error is not None
    assert deployment.error["code"] == "E_LAUNCHES_BLOCKED"
    assert not world.cloud.machines


# The command.


def test_the_command_turns_it_tells_of_it_and_survives_a_restart(world: World) -> None:
    deployment = world.until(world.deploy(), S.TRAINING)
    assert "off: launches are allowed" in command("status")

    said = command("on", "--reason", REASON)

    assert "Launches are blocked. 1 run asked to end at once, saving nothing." in said
    assert "1 machine may bill, 1.29 USD an hour" in said
    status = command("status")
    assert REASON in status
    assert "the server's shell" in status
    world.until(deployment)
    assert "0 runs not over yet" in command("status")
    assert "allowed again" in command("off")
    assert "off already" in command("off")


def test_the_command_asks_for_a_reason(world: World) -> None:
    with pytest.raises(CommandError, match="reason"):
        command("on")


def test_the_command_says_when_nobody_looks_after_the_runs(world: World) -> None:
    world.deploy()
    world.clock.advance(600)

    assert "manage.py reap" in command("on", "--reason", REASON)


# What others hook on.


@pytest.mark.parametrize("fault", ["ok", "lost"])
def test_each_machine_that_is_rented_is_told_in_one_event(world: World, fault: str) -> None:
    world.cloud.fail("launch", fault)
    deployment = world.until(world.deploy(), S.BOOTING)

    told = Event.objects.filter(deployment=deployment, kind__in=("launched", "adopted"))

    assert told.get().machine == deployment.machines.get()
    assert events(deployment)[0] == "launching"
