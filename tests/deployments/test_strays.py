"""What a machine costs that no run wanted, and who is told (F18, F21, F69, I8, I20)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.installation import installation_id
from core.models import AuditEntry
from core.time import database_now
from deployments import overview, reaper, spending, strays
from deployments.models import Deployment, Machine, Stray
from deployments.models.deployments import LaunchState, Status
from secrets_vault.models import VaultEntry
from tests import builders
from tests.builders import NOON
from tests.deployments.virtual.cloud import VirtualMachine
from tests.deployments.virtual.renting import rented
from tests.deployments.virtual.world import World

pytestmark = pytest.mark.django_db
PRICE = Decimal("1.29")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def noted(machine: Machine, *, instance_id: str = "i-late", **fields: object) -> Stray:
    return strays.note(
        machine.vault_entry,
        instance_id=instance_id,
        name=machine.name,
        machine=machine,
        now=NOON + minutes(10),
        **fields,  # type: ignore[arg-type]  # what a test is about
    )


@pytest.fixture
def late(world: World) -> tuple[Machine, VirtualMachine]:
    """Return a machine whose run was over, at no cost, before it appeared."""
    over = world.deploy(
        status=Status.FAILED,
        completed_at=world.clock.now,
        actual_cost=Decimal(0),
        error={"code": "E_LAUNCH_UNCLEAR", "message": "No answer.", "remedy": "Again."},
    )
    row, at_cloud = rented(world, over, name=f"{installation_id()}-0a1b2c3d-a1-n0-t1")
    Machine.objects.update(launch_state=LaunchState.NEVER_SEEN, instance_id="", billed_usd=0)
    return row, at_cloud


def sweep(world: World, *, after: float = 60) -> None:
    world.clock.advance(after)
    reaper.sweep_account(VaultEntry.objects.get())


def shown(deployment: Deployment) -> overview.DeploymentOverview:
    deployment.refresh_from_db()
    return overview.deployment_overview(deployment, now=database_now())


def test_F18_I8_a_late_machine_bills_from_its_launch_request_at_the_frozen_price() -> None:
    machine = builders.make_machine(launch_state=LaunchState.NEVER_SEEN, instance_id="")

    stray = noted(machine)

    assert (stray.bills_from, stray.hourly_price) == (machine.requested_at, PRICE)
    assert stray.accrued_usd(NOON + minutes(10)) == Decimal("0.2150")
    assert machine.deployment.accrued_usd(NOON + minutes(10)) == Decimal("0.2150")


def test_F21_I8_a_second_machine_of_a_dearer_kind_bills_its_own_price() -> None:
    stray = noted(builders.make_machine(), listed_price=Decimal("2.58"))

    assert stray.accrued_usd(NOON + minutes(30)) == Decimal("1.2900")


def test_F28_I8_a_machine_that_comes_back_bills_from_where_its_own_row_ends() -> None:
    machine = builders.make_machine(gone_at=NOON + minutes(5), billed_usd=Decimal("0.1075"))

    noted(machine, instance_id=machine.instance_id)

    assert machine.deployment.accrued_usd(NOON + minutes(10)) == Decimal("0.2150")


def test_D7_a_machine_that_its_own_row_counts_is_not_counted_twice() -> None:
    machine = builders.make_machine()

    stray = noted(machine, instance_id=machine.instance_id)

    assert (stray.bills, stray.accrued_usd(NOON + minutes(10))) == (False, Decimal(0))
    assert not machine.deployment.events.filter(kind="stray").exists()


def test_F69_a_lost_row_s_machine_is_billed_to_the_run_that_its_name_tells() -> None:
    deployment = builders.make_deployment()
    epoch = int((NOON - minutes(20)).timestamp())

    stray = strays.note(
        deployment.vault_entry,
        instance_id="i-lost",
        name=f"slwtst-{deployment.pk.hex[:8]}-a1-n0-t{epoch}",
        machine=None,
        now=NOON,
        listed_price=PRICE,
    )

    assert stray.deployment == deployment
    assert stray.accrued_usd(NOON) == Decimal("0.4300")


def test_F69_a_name_that_tells_of_no_run_is_billed_to_nobody() -> None:
    entry = builders.make_vault_entry()

    stray = strays.note(
        entry, instance_id="i-lost", name="slwtst-x", machine=None, now=NOON, listed_price=PRICE
    )

    assert (stray.deployment, stray.bills_from) == (None, NOON)


def test_F18_I20_while_a_late_machine_lives_its_run_bills_and_has_no_final_cost(
    world: World, late: tuple[Machine, VirtualMachine]
) -> None:
    world.cloud.fail("terminate", "lie", "lie")
    sweep(world)

    told = shown(late[0].deployment)

    assert (told.bills, told.cost.final) == (True, None)
    assert told.cost.accrued > 0
    assert told.attention is not None
    assert told.error is not None
    assert told.error["bills"] is True
    assert told.events[-1].kind == "stray"


def test_F18_F71_its_proven_end_corrects_the_final_cost_and_says_so(
    world: World, late: tuple[Machine, VirtualMachine]
) -> None:
    for _ in range(4):
        sweep(world)

    told = shown(late[0].deployment)
    bill = late[1].bill()

    assert (told.bills, told.attention) == (False, None)
    assert told.cost.final is not None
    assert told.cost.final >= bill > 0
    assert told.error is not None
    assert told.error["cost_usd"] == str(told.cost.final)
    assert [event.kind for event in told.events] == ["stray", "stray_gone", "late_cost"]
    assert AuditEntry.objects.get(action="deployment.late_cost").object_id == str(
        late[0].deployment_id
    )


def test_F18_a_late_machine_that_shows_again_is_counted_on_and_the_cost_never_shrinks(
    world: World, late: tuple[Machine, VirtualMachine]
) -> None:
    world.cloud.fail("terminate", "lie", "lie", "lie", "lie")
    world.cloud.fail("list", "ok", "empty", "empty")
    for _ in range(3):
        sweep(world)
    first = shown(late[0].deployment).cost.final
    assert first is not None

    for _ in range(8):
        sweep(world)

    final = shown(late[0].deployment).cost.final
    assert final is not None
    assert final >= late[1].bill()
    assert final > first


def test_F21_a_stray_counts_in_what_its_owner_has_spent() -> None:
    stray = builders.make_stray()
    deployment = stray.deployment
    assert deployment is not None
    owner = deployment.user

    spent = spending.spent_since(owner, NOON, now=NOON + minutes(60))
    since_half_past = spending.spent_since(owner, NOON + minutes(30), now=NOON + minutes(60))

    assert (spent, since_half_past) == (PRICE, PRICE / 2)


def test_F21_a_double_launch_is_paid_for_by_the_run_and_its_budget(world: World) -> None:
    world.cloud.fail("launch", "double")
    deployment = world.until(world.deploy())

    first, second = world.cloud.machines
    assert deployment.actual_cost is not None
    assert deployment.actual_cost >= first.bill() + second.bill()
    assert (deployment.strays.get().billed_usd or 0) >= second.bill()


def test_an_own_machine_that_comes_back_bills_nothing_for_the_week_it_was_off() -> None:
    machine = builders.make_machine(platform="ssh", gone_at=NOON - timedelta(days=7))

    stray = noted(machine, instance_id=machine.instance_id, listed_price=Decimal("0.25"))

    assert stray.bills_from is None
    assert not stray.bills
