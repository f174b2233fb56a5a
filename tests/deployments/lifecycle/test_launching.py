"""Launching: intent first, one call, and every answer in the row (D1, F11 to F24)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from core.installation import installation_id
from deployments.lifecycle import launching
from deployments.lifecycle.lease import Lease, LeaseLostError
from deployments.models import CloudSnapshot, Deployment, Machine, Stray
from deployments.models.deployments import LaunchState, Status
from deployments.providers import PROVIDERS
from deployments.providers.base import LaunchRequest, LaunchResult, ProviderUnavailableError
from tests import builders
from tests.deployments.virtual.acting import events, leased
from tests.deployments.virtual.cloud import Killed
from tests.deployments.virtual.world import World


@pytest.fixture
def deployment(world: World) -> Deployment:
    return world.deploy(status=Status.LAUNCHING)


def launch(deployment: Deployment) -> Machine:
    """Launch once and return the newest machine's row."""
    launching.launch(leased(deployment), None)
    return deployment.machines.order_by("-attempt")[0]


def test_a_launch_that_was_accepted_is_written_with_its_frozen_price(
    world: World, deployment: Deployment
) -> None:
    machine = launch(deployment)

    assert machine.launch_state == LaunchState.LAUNCHED
    assert machine.instance_id == world.cloud.machines[0].instance_id
    assert (machine.hourly_price, machine.billing_quantum_seconds) == (Decimal("1.29"), 60)
    assert machine.requested_at < world.cloud.machines[0].started_at
    assert events(deployment) == ["launch_requested", "launched"]


def test_D1_the_intent_is_committed_before_the_call(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.cloud.provider_class()
    seen: list[tuple[str, str]] = []

    def look(self: Any, request: LaunchRequest) -> LaunchResult:
        row = Machine.objects.get()
        seen.append((row.name, row.launch_state))
        assert row.name == request.name
        return world.cloud.provider_class().launch(self, request)

    monkeypatch.setattr(provider, "launch", look)
    monkeypatch.setitem(PROVIDERS, "lambda", provider)
    machine = launch(deployment)

    assert seen == [(machine.name, LaunchState.INTENT)]


def test_D1_the_name_carries_installation_deployment_attempt_and_time(
    world: World, deployment: Deployment
) -> None:
    name = launch(deployment).name

    epoch = int(world.clock.now.timestamp())
    prefix, eight, attempt, node, moment = name.split("-")
    assert (prefix, eight) == (installation_id(), deployment.pk.hex[:8])
    assert (attempt, node) == ("a1", "n0")
    assert abs(int(moment.removeprefix("t")) - epoch) < 10
    assert len(name) <= 57


def test_each_launch_is_an_attempt_of_its_own(world: World, deployment: Deployment) -> None:
    world.cloud.fail("launch", "rate_limited", "unreachable")

    for _ in range(3):
        machine = launch(deployment)

    assert machine.attempt == 3
    assert deployment.machines.count() == 3


def test_the_machine_gets_a_host_key_of_its_own_that_is_pinned(
    world: World, deployment: Deployment
) -> None:
    machine = launch(deployment)

    assert machine.host_public_key == world.cloud.machines[0].host_key
    assert machine.host_public_key.startswith("ssh-ed25519 ")


def test_first_contact_pins_nothing_before_it(
    world: World, deployment: Deployment, settings: Settings
) -> None:
    settings.LAMBDA_HOST_KEY = "first_contact"

    assert launch(deployment).host_public_key == ""


@pytest.mark.parametrize(
    "reason", ["capacity", "rate_limited", "unreachable", "auth", "quota", "invalid"]
)
def test_F11_to_F15_a_refusal_is_written_with_its_reason_and_costs_nothing(
    world: World, deployment: Deployment, reason: str
) -> None:
    world.cloud.fail("launch", reason)

    machine = launch(deployment)

    assert machine.launch_state == LaunchState.REFUSED
    assert machine.billed_usd == Decimal(0)
    assert machine.refusal is not None
    assert machine.refusal["reason"] == reason
    assert machine.refusal["retryable"] is (reason in ("rate_limited", "unreachable"))
    assert machine.refusal["retry_after_seconds"] == (20 if reason == "rate_limited" else None)


@pytest.mark.parametrize("fault", ["lost", "failed"])
def test_F16_F17_an_answer_that_was_lost_is_unknown(
    world: World, deployment: Deployment, fault: str
) -> None:
    world.cloud.fail("launch", fault)

    machine = launch(deployment)

    assert (machine.launch_state, machine.instance_id) == (LaunchState.UNKNOWN, "")
    assert machine.launch_ended_at is not None
    assert machine.may_live


@pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
def test_F19_a_kill_around_the_call_leaves_the_intent(
    world: World, deployment: Deployment, fault: str
) -> None:
    world.cloud.fail("launch", fault)

    with pytest.raises(Killed):
        launch(deployment)

    machine = Machine.objects.get()
    assert (machine.launch_state, machine.launch_ended_at) == (LaunchState.INTENT, None)


def test_F21_a_second_machine_is_a_stray_to_be_ended_at_once(
    world: World, deployment: Deployment
) -> None:
    world.cloud.fail("launch", "double")

    machine = launch(deployment)

    first, second = world.cloud.machines
    stray = Stray.objects.get()
    assert machine.instance_id == first.instance_id
    assert (stray.instance_id, stray.deployment) == (second.instance_id, deployment)
    assert stray.terminate_after <= world.clock.now


def test_after_a_launch_the_account_is_listed_at_once(world: World, deployment: Deployment) -> None:
    CloudSnapshot.objects.update(next_list_at=world.clock.in_seconds(60))

    launch(deployment)

    assert CloudSnapshot.objects.get().next_list_at == world.clock.now


def test_D2_lists_from_while_the_call_was_under_way_prove_nothing_of_its_machine(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.cloud.provider_class()
    real = provider.launch

    def slowly(self: Any, request: LaunchRequest) -> LaunchResult:
        now = world.clock.now
        Machine.objects.update(absent_since=now, absent_until=now, absent_lists=1)
        return real(self, request)

    monkeypatch.setattr(provider, "launch", slowly)
    monkeypatch.setitem(PROVIDERS, "lambda", provider)

    assert launch(deployment).absent_lists == 0


# Which offer.


def prices(world: World, **by_region: str) -> None:
    world.cloud.prices = {
        ("gpu_1x_a10", region): Decimal(price) for region, price in by_region.items()
    }


def anywhere(world: World, **fields: Any) -> Deployment:
    config = {"instance_type": "auto", "region": "auto", "ssh_key_name": None}
    return world.deploy(status=Status.LAUNCHING, config=config, **fields)


def test_the_cheapest_allowed_offer_is_taken(world: World) -> None:
    prices(world, east="1.29", west="0.75", north="3.00")

    assert launch(anywhere(world)).region == "west"


def test_F13_nothing_dearer_than_the_limit_is_ever_taken(world: World) -> None:
    prices(world, east="1.30", west="1.2901")
    deployment = anywhere(world, max_hourly_price=Decimal("1.29"))

    launching.launch(leased(deployment), None)

    deployment.refresh_from_db()
    assert deployment.status == Status.WAITING_FOR_CAPACITY
    assert not deployment.machines.exists()


def test_F13_an_offer_refused_in_this_round_is_not_tried_again_in_it(world: World) -> None:
    prices(world, east="0.75", west="1.29")
    world.cloud.fail("launch", "capacity", "capacity")
    deployment = anywhere(world, round_started_at=world.clock.now)

    regions = [launch(deployment).region, launch(deployment).region]
    launching.launch(leased(deployment), None)

    deployment.refresh_from_db()
    assert regions == ["east", "west"]
    assert deployment.status == Status.WAITING_FOR_CAPACITY


def test_R2_the_next_round_tries_every_offer_again(world: World) -> None:
    prices(world, east="0.75")
    world.cloud.fail("launch", "capacity")
    deployment = anywhere(world, round_started_at=world.clock.now)
    launch(deployment)
    world.clock.advance(60)
    Deployment.objects.update(round_started_at=world.clock.now)

    assert launch(deployment).launch_state == LaunchState.LAUNCHED


def test_F26_after_a_bad_machine_another_region_of_the_same_price_comes_first(
    world: World,
) -> None:
    prices(world, east="0.75", west="0.75")
    deployment = anywhere(world)
    builders.make_machine(deployment, region="east", fault={"code": "E_X"}, billed_usd=0)

    assert launch(deployment).region == "west"


def test_F13_without_any_allowed_offer_capacity_is_waited_for(
    world: World, deployment: Deployment
) -> None:
    world.cloud.fail("offers", "sold_out")

    launching.launch(leased(deployment), None)

    deployment.refresh_from_db()
    assert deployment.status == Status.WAITING_FOR_CAPACITY


# Money, and what keeps a launch from being made.


def test_I6_a_budget_that_cannot_pay_for_a_landing_rents_nothing(world: World) -> None:
    deployment = world.deploy(status=Status.LAUNCHING)
    builders.make_machine(deployment, gone_at=world.clock.now, billed_usd=Decimal("9.90"))

    launching.launch(leased(deployment), None)

    deployment.refresh_from_db()
    assert (deployment.status, deployment.outcome) == (Status.TERMINATING, Status.FAILED)
    assert deployment.error is not None
    assert deployment.error["code"] == "E_BUDGET"
    assert not world.cloud.machines


def test_F11_a_refused_key_ends_it_before_any_launch(world: World, deployment: Deployment) -> None:
    world.cloud.fail("offers", "auth")

    launching.launch(leased(deployment), None)

    deployment.refresh_from_db()
    assert deployment.error is not None
    assert deployment.error["code"] == "E_AUTH"
    assert "Nothing was started" in deployment.error["message"]


def test_F58_a_cloud_that_does_not_answer_is_left_to_the_next_tick(
    world: World, deployment: Deployment
) -> None:
    Deployment.objects.update(capacity_deadline=world.clock.now - timedelta(hours=1))
    world.cloud.fail("offers", "error")

    with pytest.raises(ProviderUnavailableError):
        launching.launch(leased(deployment), None)

    deployment.refresh_from_db()
    assert deployment.status == Status.LAUNCHING


def test_F24_a_stop_that_took_the_lease_keeps_the_launch_from_being_made(
    world: World, deployment: Deployment
) -> None:
    lease = leased(deployment)
    world.cancel(deployment, save=False)
    assert Lease.take(deployment.pk, purpose="tick", seconds=50) is not None

    with pytest.raises(LeaseLostError):
        launching.launch(lease, None)

    assert not world.cloud.machines
    assert not Machine.objects.exists()


def test_F20_a_writer_that_lost_its_lease_during_the_call_writes_nothing(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.cloud.provider_class()
    real = provider.launch

    def overtaken(self: Any, request: LaunchRequest) -> LaunchResult:
        world.clock.advance(60)
        assert Lease.take(deployment.pk, purpose="tick", seconds=50) is not None
        return real(self, request)

    monkeypatch.setattr(provider, "launch", overtaken)
    monkeypatch.setitem(PROVIDERS, "lambda", provider)
    with pytest.raises(LeaseLostError):
        launch(deployment)

    assert Machine.objects.get().launch_state == LaunchState.INTENT


def test_asking_that_took_too_long_is_followed_by_no_call_in_the_same_task(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "ASK_SECONDS", -1.0)

    assert launching.launch(leased(deployment), None) == 0

    assert not Machine.objects.exists()
