"""What an operator may do, and sees: the fleet, another try at collecting, a notice put aside."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import ConflictError, InvalidInputError
from core.models import AuditEntry
from core.time import database_now
from deployments import operations
from deployments.models import Deployment
from deployments.models.deployments import LaunchState, Status
from tests.builders import NOON, make_artifact, make_deployment, make_machine, make_user

pytestmark = pytest.mark.django_db
NOTICE = {"code": "E_X", "message": "Look.", "remedy": "", "kind": "failed_ticks"}


def collecting(**machine: object) -> Deployment:
    deployment = make_deployment(status=Status.COLLECTING, next_tick_at=NOON + timedelta(days=900))
    make_machine(deployment, **machine)
    return deployment


def test_the_fleet_is_every_machine_that_may_bill_and_what_an_hour_costs() -> None:
    two_hours_ago = database_now() - timedelta(hours=2)
    dear = make_machine(hourly_price=Decimal("2.00"), requested_at=two_hours_ago)
    cheap = make_machine(hourly_price=Decimal("1.00"), requested_at=two_hours_ago)
    make_machine(launch_state=LaunchState.REFUSED)
    make_machine(launch_state=LaunchState.NEVER_SEEN)
    make_machine(gone_at=NOON, billed_usd=Decimal("1.00"))

    fleet = operations.fleet()

    assert [live.machine for live in fleet.machines] == [dear, cheap]
    assert fleet.burn_usd_per_hour == Decimal("3.00")
    # D8: the minute that has begun counts.
    assert Decimal("6.00") <= fleet.accrued_usd <= Decimal("6.11")


def test_F61_collecting_is_tried_now_and_that_is_on_record() -> None:
    deployment, operator = collecting(), make_user()

    operations.retry_collect(deployment, requested_by=operator)

    deployment.refresh_from_db()
    assert deployment.next_tick_at is not None
    assert deployment.next_tick_at <= database_now()
    assert deployment.status == Status.COLLECTING
    assert deployment.events.get().kind == "retry_collect"
    assert AuditEntry.objects.get(action="deployment.retry_collect").actor == operator


@pytest.mark.parametrize(
    "machine",
    [
        {"gone_at": NOON},
        {"launch_state": LaunchState.UNKNOWN},
        {"fault": {"code": "E_NO_ADAPTER"}},
        {"end_wanted_at": NOON},
    ],
)
def test_where_nothing_can_come_home_collecting_is_not_tried(machine: dict[str, object]) -> None:
    deployment = collecting(**machine)

    with pytest.raises(ConflictError):
        operations.retry_collect(deployment, requested_by=make_user())

    assert not deployment.events.exists()
    assert not AuditEntry.objects.filter(action="deployment.retry_collect").exists()


@pytest.mark.parametrize("status", [Status.TRAINING, Status.TERMINATING, Status.FAILED])
def test_what_is_not_collecting_is_not_collected(status: Status) -> None:
    deployment = make_deployment(status=status)
    make_machine(deployment)

    with pytest.raises(ConflictError, match=status.value):
        operations.retry_collect(deployment, requested_by=make_user())


def test_an_adapter_that_is_home_is_not_collected_again() -> None:
    deployment = collecting()
    make_artifact(deployment.machines.get(), kind="adapter")

    with pytest.raises(ConflictError, match="home"):
        operations.retry_collect(deployment, requested_by=make_user())


def test_F84_a_notice_is_put_aside_with_its_reason_and_the_state_stays() -> None:
    deployment = make_deployment(status=Status.TRAINING, attention=NOTICE)
    operator = make_user()

    operations.resolve_attention(deployment, requested_by=operator, reason=" Restarted it. ")

    deployment.refresh_from_db()
    assert deployment.attention is None
    assert deployment.status == Status.TRAINING
    assert "Restarted it." in deployment.events.get().message
    entry = AuditEntry.objects.get(action="deployment.attention_resolved")
    assert entry.actor == operator
    assert entry.data == {"code": "E_X", "reason": "Restarted it."}


def test_without_a_reason_a_notice_stays() -> None:
    deployment = make_deployment(attention=NOTICE)

    with pytest.raises(InvalidInputError):
        operations.resolve_attention(deployment, requested_by=make_user(), reason="  ")

    deployment.refresh_from_db()
    assert deployment.attention == NOTICE


def test_a_notice_that_changed_since_it_was_read_stays() -> None:
    deployment = make_deployment(attention=NOTICE)
    Deployment.objects.update(attention={**NOTICE, "code": "E_Y"})

    with pytest.raises(ConflictError, match="meanwhile"):
        operations.resolve_attention(deployment, requested_by=make_user(), reason="Done.")

    assert not AuditEntry.objects.filter(action="deployment.attention_resolved").exists()


def test_without_a_notice_there_is_nothing_to_resolve() -> None:
    with pytest.raises(ConflictError):
        operations.resolve_attention(make_deployment(), requested_by=make_user(), reason="Done.")
