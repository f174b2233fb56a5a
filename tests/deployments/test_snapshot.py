"""The lister: what a good list says of our machines, and what any other list does not."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from deployments import snapshot
from deployments.models import Deployment
from deployments.models.deployments import LaunchState, Status
from deployments.providers import PROVIDERS
from deployments.providers.base import Instance, InstanceStatus
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
from tests.deployments.virtual.renting import listed, now_of, rented
from tests.deployments.virtual.world import World

TIMING = Timing()


@pytest.fixture
def deployment(world: World) -> Deployment:
    return world.deploy(status=Status.TRAINING)


def test_a_good_list_says_status_and_address(world: World, deployment: Deployment) -> None:
    machine, at_cloud = rented(world, deployment)
    asked_at = world.clock.in_seconds(10)

    row = listed(world, deployment)

    assert now_of(machine).seen_status == "active"
    assert machine.seen_ip == at_cloud.ip
    assert machine.seen_at == asked_at
    assert (row.listed_at, row.good_lists, row.error) == (asked_at, 1, None)
    assert [each["name"] for each in row.instances] == [machine.name]


def test_F27_an_address_that_is_not_shown_again_is_kept(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(world, deployment)
    listed(world, deployment)
    at_cloud.active_from = world.clock.in_seconds(100)

    listed(world, deployment)

    assert now_of(machine).seen_ip == at_cloud.ip
    assert machine.seen_status == "booting"


def test_F17_a_machine_without_an_answer_is_found_by_its_name(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(world, deployment, launch_state=LaunchState.UNKNOWN, instance_id="")

    listed(world, deployment)

    assert now_of(machine).seen_instance_id == at_cloud.instance_id


def test_D3_each_good_list_without_the_machine_is_counted_and_the_first_is_kept(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(world, deployment)
    listed(world, deployment)
    at_cloud.end()
    first = world.clock.in_seconds(10)

    for _ in range(3):
        listed(world, deployment)

    assert now_of(machine).absent_lists == 3
    assert machine.absent_since == first
    assert machine.absent_until is not None
    assert machine.absent_until > first + timedelta(seconds=20)


def test_D3_terminated_is_as_good_as_absent(world: World, deployment: Deployment) -> None:
    machine, at_cloud = rented(world, deployment)
    at_cloud.shown_as = InstanceStatus.TERMINATED

    listed(world, deployment)

    assert now_of(machine).absent_lists == 1


def test_F72_F21_what_the_cloud_says_it_is_and_costs_is_kept_beside_what_we_asked_for(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(world, deployment)
    at_cloud.instance_type, at_cloud.region = "gpu_8x_h100", "asia-south-1"
    at_cloud.hourly_price = Decimal("23.92")

    listed(world, deployment)

    now_of(machine)
    assert (machine.instance_type, machine.hourly_price) == ("gpu_1x_a10", Decimal("1.29"))
    assert (machine.seen_instance_type, machine.seen_region) == ("gpu_8x_h100", "asia-south-1")
    assert machine.seen_hourly_price == Decimal("23.92")


def test_F50_since_when_it_is_called_unhealthy_is_kept_until_it_is_well_again(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(world, deployment)
    at_cloud.shown_as = InstanceStatus.UNHEALTHY
    listed(world, deployment)
    since = now_of(machine).unhealthy_since
    listed(world, deployment)

    assert since is not None
    assert now_of(machine).unhealthy_since == since

    at_cloud.shown_as = None
    listed(world, deployment)
    assert now_of(machine).unhealthy_since is None


def test_F67_terminating_still_lives(world: World, deployment: Deployment) -> None:
    machine, at_cloud = rented(world, deployment)
    at_cloud.shown_as = InstanceStatus.TERMINATING

    listed(world, deployment)

    assert now_of(machine).absent_lists == 0


def test_F28_a_machine_that_shows_again_was_never_absent(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(world, deployment)
    listed(world, deployment)
    at_cloud.listed_from = world.clock.in_seconds(25)
    listed(world, deployment)
    assert now_of(machine).absent_lists == 1

    listed(world, deployment, after=20)

    assert now_of(machine).absent_lists == 0
    assert (machine.absent_since, machine.absent_until) == (None, None)


@pytest.mark.parametrize("fault", ["error", "auth"])
def test_I13_a_failed_list_changes_no_machine(
    world: World, deployment: Deployment, fault: str
) -> None:
    machine, at_cloud = rented(world, deployment)
    listed(world, deployment)
    seen_at = now_of(machine).seen_at
    at_cloud.end()
    world.cloud.fail("list", fault)

    row = listed(world, deployment)

    assert (now_of(machine).absent_lists, machine.seen_at) == (0, seen_at)
    assert row.good_lists == 1
    assert row.error is not None
    assert row.error["retryable"] is (fault == "error")
    assert row.failed_since is not None


def test_F80_a_key_that_does_not_open_is_a_failed_list(
    world: World, deployment: Deployment
) -> None:
    VaultEntry.objects.update(api_key_encrypted="not sealed for this row")

    row = listed(world, deployment)

    assert row.error is not None
    assert row.error["code"] == "E_SECRET_UNREADABLE"
    assert row.error["retryable"] is False


def test_F58_an_outage_is_asked_about_less_and_less_often_but_each_minute(
    world: World, deployment: Deployment
) -> None:
    world.cloud.fail("list", *["error"] * 20)
    pauses = []
    for _ in range(12):
        asked_at = world.clock.now
        next_list_at = snapshot.list_cloud(deployment.vault_entry_id).next_list_at
        assert next_list_at is not None
        pauses.append((next_list_at - asked_at).total_seconds())
        world.clock.advance_to(next_list_at)

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (TIMING.poll_seconds, 60)


def test_a_good_list_ends_the_outage(world: World, deployment: Deployment) -> None:
    world.cloud.fail("list", "error")
    listed(world, deployment)

    row = listed(world, deployment)

    assert (row.failed_since, row.error) == (None, None)


# When absence begins to count.


def test_D2_a_list_asked_for_before_the_launch_ended_says_nothing(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(
        world,
        deployment,
        launch_state=LaunchState.UNKNOWN,
        instance_id="",
        launch_ended_at=world.clock.in_seconds(10.1),
    )
    at_cloud.end()

    listed(world, deployment, after=10)
    assert now_of(machine).absent_lists == 0

    listed(world, deployment, after=10)
    assert now_of(machine).absent_lists == 1


def test_D2_a_call_that_may_still_be_under_way_is_given_its_time(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(
        world,
        deployment,
        launch_state=LaunchState.INTENT,
        instance_id="",
        requested_at=world.clock.now,
        launch_ended_at=None,
    )
    at_cloud.end()

    listed(world, deployment, after=29)
    assert now_of(machine).absent_lists == 0

    listed(world, deployment, after=10)
    assert now_of(machine).absent_lists == 1


def test_F18_an_accepted_launch_may_take_its_time_to_show(
    world: World, deployment: Deployment
) -> None:
    machine, at_cloud = rented(world, deployment, launch_ended_at=world.clock.now)
    at_cloud.listed_from = world.clock.in_seconds(1000)

    listed(world, deployment, after=119)
    assert now_of(machine).absent_lists == 0

    listed(world, deployment, after=10)
    assert now_of(machine).absent_lists == 1


def test_a_machine_that_was_seen_needs_no_such_time(world: World, deployment: Deployment) -> None:
    machine, at_cloud = rented(world, deployment, launch_ended_at=world.clock.now)
    listed(world, deployment, after=5)
    at_cloud.end()

    listed(world, deployment, after=5)

    assert now_of(machine).absent_lists == 1


# One lister after the other.


def test_D4_an_older_list_that_comes_late_is_thrown_away(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, _ = rented(world, deployment)
    provider = world.cloud.provider_class()
    slow = provider.list_all

    def overtaken(self: Any) -> list[Instance]:
        monkeypatch.setattr(provider, "list_all", slow)
        old_answer: list[Instance] = []
        listed(world, deployment, after=5)
        return old_answer

    monkeypatch.setitem(PROVIDERS, "lambda", provider)
    monkeypatch.setattr(provider, "list_all", overtaken)
    row = listed(world, deployment)

    assert now_of(machine).absent_lists == 0
    assert row.good_lists == 1


def test_a_list_makes_the_deployment_look_at_it_at_once(
    world: World, deployment: Deployment
) -> None:
    rented(world, deployment)
    Deployment.objects.update(next_tick_at=world.clock.in_seconds(500))
    asked_at = world.clock.in_seconds(10)

    listed(world, deployment)

    deployment.refresh_from_db()
    assert deployment.next_tick_at == asked_at


def test_a_list_never_puts_off_a_look_that_is_due(world: World, deployment: Deployment) -> None:
    rented(world, deployment)
    due = world.clock.in_seconds(-5)
    Deployment.objects.update(next_tick_at=due)

    listed(world, deployment)

    deployment.refresh_from_db()
    assert deployment.next_tick_at == due


def test_a_list_keeps_price_description_and_the_time_a_machine_was_first_in_it(
    world: World, deployment: Deployment
) -> None:
    rented(world, deployment)
    first_asked_at = world.clock.in_seconds(10)
    (first,) = listed(world, deployment).instances

    (second,) = listed(world, deployment).instances

    assert first["seen_since"] == second["seen_since"] == first_asked_at.isoformat()
    assert {"description", "hourly"} <= second.keys()
