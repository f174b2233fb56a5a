"""I8: what a cloud says a machine cost is held against what was counted."""

from datetime import timedelta
from decimal import Decimal

import pytest

from deployments import bills
from deployments.models import Machine
from deployments.models.deployments import LaunchState, Status
from deployments.providers import PROVIDERS
from deployments.providers.base import Capabilities, ProviderUnavailableError
from tests.deployments.virtual.acting import with_machine
from tests.deployments.virtual.world import World


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that was gone an hour ago, counted at 0.50 USD, of a cloud that tells its bills."""
    told = PROVIDERS["lambda"].capabilities
    capabilities = Capabilities(
        label=told.label,
        billing_quantum_seconds=told.billing_quantum_seconds,
        injects_host_key=True,
        interruptible=False,
        tells_bills=True,
    )
    monkeypatch.setattr(PROVIDERS["lambda"], "capabilities", capabilities)
    _, row, _ = with_machine(world, Status.COMPLETED)
    Machine.objects.update(
        launch_state=LaunchState.LAUNCHED,
        gone_at=world.clock.now - timedelta(hours=25),
        billed_usd=Decimal("0.50"),
    )
    row.refresh_from_db()
    return row


def bill(monkeypatch: pytest.MonkeyPatch, amount: Decimal | None) -> None:
    monkeypatch.setattr(
        PROVIDERS["lambda"], "billed_usd", lambda self, instance_id, *, since: amount
    )


@pytest.mark.parametrize(
    ("counted", "billed", "differs"),
    [
        ("0.50", "0.50", False),
        ("0.50", "0.52", False),
        ("0.50", "0.53", True),
        ("0.50", "0.40", True),
        ("100", "101.99", False),
        ("100", "102.01", True),
        ("0", "0.01", False),
    ],
)
def test_a_bill_differs_where_rounding_does_not_explain_it(
    counted: str, billed: str, differs: bool
) -> None:
    assert bills.differs(Decimal(counted), Decimal(billed)) is differs


@pytest.mark.parametrize(("billed", "events"), [("0.51", 0), ("0.75", 1)])
def test_i8_a_bill_is_kept_and_told_once_if_it_differs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, billed: str, events: int
) -> None:
    bill(monkeypatch, Decimal(billed))

    bills.compare(machine)
    bills.compare(machine)

    machine.refresh_from_db()
    assert machine.cloud_billed_usd == Decimal(billed)
    assert machine.billed_usd == Decimal("0.50")
    assert machine.deployment.events.filter(kind="bill_differs").count() == events


def test_a_bill_that_is_not_there_yet_is_asked_for_again_later(
    world: World, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill(monkeypatch, None)

    assert [each.pk for each in bills.due(world.clock.now)] == [machine.pk]
    assert bills.claim(machine, now=world.clock.now)
    # Who claims it a second time with what it knew before gets nothing.
    assert not bills.claim(machine, now=world.clock.now)
    bills.compare(machine)

    machine.refresh_from_db()
    assert machine.cloud_billed_usd is None
    assert not bills.due(world.clock.now)
    assert bills.due(world.clock.in_seconds(86401))


def test_i13_a_cloud_that_does_not_answer_bills_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: object, instance_id: str, *, since: object) -> Decimal:
        raise ProviderUnavailableError("No answer.")

    monkeypatch.setattr(PROVIDERS["lambda"], "billed_usd", away)

    bills.compare(machine)

    machine.refresh_from_db()
    assert machine.cloud_billed_usd is None


def test_nobody_asks_for_the_bill_of_a_machine_that_lives_or_of_long_ago(
    world: World, machine: Machine
) -> None:
    for gone_at in (
        None,
        world.clock.now - timedelta(minutes=29),
        world.clock.now - timedelta(days=8),
    ):
        Machine.objects.update(gone_at=gone_at)

        assert not bills.due(world.clock.now)
