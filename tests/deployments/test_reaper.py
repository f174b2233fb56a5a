"""The sweep: what it ends, what it leaves alone, and how it knows that a stray is gone (D7)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.installation import installation_id
from core.models import AuditEntry
from deployments import reaper
from deployments.models import Deployment, Machine, Stray
from deployments.models.deployments import LaunchState, Status
from deployments.providers.base import InstanceStatus
from deployments.reaper import Finding, Report
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
from tests import builders
from tests.deployments.virtual.cloud import VirtualMachine
from tests.deployments.virtual.renting import rented
from tests.deployments.virtual.world import World

TIMING = Timing()


@pytest.fixture
def deployment(world: World) -> Deployment:
    """Return a deployment in training that was ticked just now."""
    return world.deploy(status=Status.TRAINING, last_tick_at=world.clock.now)


@pytest.fixture
def ours(world: World, deployment: Deployment) -> tuple[Machine, VirtualMachine]:
    """Return its machine, under a name of this installation."""
    return rented(world, deployment, name=f"{installation_id()}-0a1b2c3d-a1-n0-t1")


def sweep(world: World, *, after: float = 0, dry_run: bool = False) -> Report:
    world.clock.advance(after)
    return reaper.sweep_account(VaultEntry.objects.get(), dry_run=dry_run)


def finding(world: World, **sweeping: Any) -> Finding:
    (only,) = sweep(world, **sweeping).findings
    return only


def forget(row: Machine) -> None:
    """Lose the row of a machine that lives; deleting it as it stands is refused (F83)."""
    row.gone_at = row.requested_at
    row.delete()


def unknown_machine(world: World, name: str, deployment: Deployment) -> VirtualMachine:
    """Return a machine at the cloud that no row knows, as after a restored backup."""
    row, at_cloud = rented(world, deployment)
    forget(row)
    at_cloud.name = name
    return at_cloud


def test_a_machine_that_a_live_deployment_wants_is_kept(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    assert finding(world).wanted
    assert ours[1].lives()
    assert not Stray.objects.exists()


@pytest.mark.parametrize(
    "name", ["", "research-box", "slwother-0a1b2c3d-a1-n0-t1", "{prefix}", "x{prefix}-a1"]
)
def test_I15_F70_machines_without_our_prefix_are_never_touched(
    world: World, deployment: Deployment, name: str
) -> None:
    machine = unknown_machine(world, name.format(prefix=installation_id()), deployment)

    report = sweep(world, after=86400)

    assert (report.findings, report.others) == ((), 1)
    assert machine.lives()


@pytest.mark.parametrize("state", [InstanceStatus.TERMINATING, InstanceStatus.TERMINATED])
def test_what_is_ending_already_is_left_to_end(
    world: World, ours: tuple[Machine, VirtualMachine], state: InstanceStatus
) -> None:
    Deployment.objects.update(status=Status.COMPLETED)
    ours[1].shown_as = state

    assert sweep(world).findings == ()
    assert ours[1].lives()


# What nobody wants.


def test_F69_a_machine_without_a_row_is_ended_after_a_grace(
    world: World, deployment: Deployment
) -> None:
    machine = unknown_machine(world, f"{installation_id()}-lost-a1-n0-t1", deployment)

    for _ in range(14):
        assert not finding(world, after=60).ended
    assert machine.lives()

    assert finding(world, after=120).ended
    assert not machine.lives()
    assert AuditEntry.objects.filter(action="machine.reaped").count() == 1


@pytest.mark.parametrize("state", [LaunchState.REFUSED, LaunchState.NEVER_SEEN])
def test_F18_a_machine_that_appears_under_a_closed_attempt_is_ended_at_once(
    world: World, ours: tuple[Machine, VirtualMachine], state: LaunchState
) -> None:
    Machine.objects.update(launch_state=state, instance_id="")

    assert finding(world).ended
    assert not ours[1].lives()
    assert Stray.objects.get().deployment == ours[0].deployment


def test_F21_a_second_machine_under_one_name_is_ended_and_the_first_kept(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    row, first = ours
    _, second = rented(world, row.deployment, attempt=9)
    second.name = row.name
    forget(Machine.objects.get(attempt=9))

    findings = {each.instance.instance_id: each for each in sweep(world).findings}

    assert findings[first.instance_id].wanted
    assert findings[second.instance_id].ended
    assert (first.lives(), second.lives()) == (True, False)


@pytest.mark.parametrize("state", [LaunchState.INTENT, LaunchState.UNKNOWN])
def test_F17_a_machine_whose_launch_is_being_settled_is_kept(
    world: World, ours: tuple[Machine, VirtualMachine], state: LaunchState
) -> None:
    Machine.objects.update(launch_state=state, instance_id="")

    assert finding(world).wanted


def test_F28_a_machine_that_comes_back_after_its_proof_of_gone_is_ended_at_once(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    Machine.objects.update(end_wanted_at=world.clock.now, gone_at=world.clock.now)

    assert finding(world).ended


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_I1_a_machine_that_outlives_its_deployment_is_ended(
    world: World, ours: tuple[Machine, VirtualMachine], status: Status
) -> None:
    Deployment.objects.update(status=status)

    assert finding(world).ended


@pytest.mark.parametrize(("minutes", "ended"), [(4, False), (6, True)], ids=["in time", "overdue"])
def test_D7_an_end_that_was_wanted_is_left_to_the_lifecycle_for_five_minutes(
    world: World, ours: tuple[Machine, VirtualMachine], minutes: int, ended: bool
) -> None:
    Machine.objects.update(end_wanted_at=world.clock.in_seconds(-60 * minutes))

    assert finding(world).ended is ended


def test_D7_a_stop_of_a_deployment_that_nobody_ticks_is_acted_on(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    world.cancel(ours[0].deployment)

    assert not finding(world, after=299).ended
    assert finding(world, after=2).ended


@pytest.mark.parametrize("save", [True, False])
def test_F10_a_stop_is_acted_on_even_while_a_poisoned_tick_keeps_running(
    world: World, ours: tuple[Machine, VirtualMachine], save: bool
) -> None:
    world.cancel(ours[0].deployment, save=save)
    landing_seconds = TIMING.save_seconds + TIMING.collect_seconds if save else 0
    world.clock.advance(300 + landing_seconds - 2)
    Deployment.objects.update(last_tick_at=world.clock.now, failed_ticks=40)

    assert not finding(world).ended
    assert finding(world, after=3).ended


def test_D7_a_budget_that_is_used_up_is_acted_on(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    Deployment.objects.update(budget_limit=Decimal("0.07"))

    assert finding(world).wanted
    assert finding(world, after=60).ended


def test_D7_earlier_machines_count_against_the_same_budget(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    builders.make_machine(
        ours[0].deployment, gone_at=world.clock.now, billed_usd=Decimal("9.99"), attempt=5
    )

    assert finding(world).ended


def test_D7_a_time_limit_is_acted_on_half_an_hour_late(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    Deployment.objects.update(max_hours=Decimal("0.5"), last_tick_at=world.clock.in_seconds(3600))

    assert finding(world, after=55 * 60).wanted
    assert finding(world, after=6 * 60).ended


def test_a_dry_run_ends_and_writes_nothing(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    Deployment.objects.update(status=Status.COMPLETED)

    assert not finding(world, dry_run=True).wanted
    assert ours[1].lives()
    assert not Stray.objects.exists()


# The cloud, and proof.


@pytest.mark.parametrize("fault", ["error", "auth"])
def test_a_cloud_that_cannot_be_asked_is_reported_and_nothing_is_done(
    world: World, ours: tuple[Machine, VirtualMachine], fault: str
) -> None:
    Deployment.objects.update(status=Status.COMPLETED)
    world.cloud.fail("list", fault)

    report = sweep(world)

    assert report.error
    assert report.findings == ()


def test_F64_a_machine_that_could_not_be_ended_is_reported_and_tried_again(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    Deployment.objects.update(status=Status.COMPLETED)
    world.cloud.fail("terminate", "error")

    assert finding(world).error
    assert finding(world, after=60).ended


def test_D3_a_stray_is_gone_after_two_lists_half_a_minute_apart(
    world: World, ours: tuple[Machine, VirtualMachine]
) -> None:
    Deployment.objects.update(status=Status.COMPLETED)
    sweep(world)

    gone = []
    for _ in range(3):
        sweep(world, after=20)
        gone.append(Stray.objects.get().gone_at is not None)

    assert gone == [False, False, True]


@pytest.mark.parametrize("shown_as", [None, InstanceStatus.TERMINATING])
def test_D3_a_stray_that_shows_again_starts_its_proof_anew(
    world: World, ours: tuple[Machine, VirtualMachine], shown_as: InstanceStatus | None
) -> None:
    Deployment.objects.update(status=Status.COMPLETED)
    world.cloud.fail("terminate", "lie", "lie")
    sweep(world)
    world.cloud.fail("list", "empty", "ok", "empty")
    ours[1].shown_as = shown_as

    for _ in range(3):
        sweep(world, after=60)

    assert Stray.objects.get().gone_at is None


# Alarms of the second stopper.


def test_D7_live_deployments_that_nobody_ticks_are_an_alarm(world: World) -> None:
    now = world.clock.now
    world.deploy(created_at=now - timedelta(hours=1), last_tick_at=now - timedelta(minutes=6))

    assert "1 deployments" in reaper.worker_alarm(now)


@pytest.mark.parametrize(
    "fields",
    [
        {"last_tick_at": timedelta(minutes=4)},
        {"created_at": timedelta(minutes=4)},
        {"last_tick_at": timedelta(hours=9), "status": Status.COMPLETED},
    ],
    ids=["ticked", "new", "over"],
)
def test_D7_otherwise_there_is_no_alarm(world: World, fields: dict[str, Any]) -> None:
    now = world.clock.now
    moments = {
        name: now - value if isinstance(value, timedelta) else value
        for name, value in fields.items()
    }
    world.deploy(**({"created_at": now - timedelta(days=1)} | moments))

    assert reaper.worker_alarm(now) == ""


def test_every_key_of_a_cloud_is_an_account_unless_it_was_deleted(world: World) -> None:
    kept = world.deploy().vault_entry_id
    deleted = builders.make_vault_entry()
    VaultEntry.objects.filter(pk=deleted.pk).update(deleted_at=world.clock.now)

    assert [entry.pk for entry in reaper.accounts()] == [kept]
