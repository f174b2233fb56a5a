"""Lists that are not believed at once, and keys that are listed at all."""

from datetime import datetime

import pytest

from deployments import clouds, snapshot
from deployments.models import Deployment, Stray
from deployments.models.deployments import LaunchState, Status
from deployments.providers.base import Instance, InstanceStatus
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
from tests import builders
from tests.deployments.virtual.renting import listed, now_of, rented
from tests.deployments.virtual.world import World

TIMING = Timing()


@pytest.fixture
def deployment(world: World) -> Deployment:
    return world.deploy(status=Status.TRAINING)


# Suspect lists (F28, F68).


def instance(instance_id: str) -> Instance:
    return Instance(instance_id, "n", InstanceStatus.ACTIVE, None, "r", "t")


@pytest.mark.parametrize(
    ("wanted", "shown", "suspect"),
    [
        ("", "", False),
        ("a", "", False),
        ("ab", "", True),
        ("ab", "a", False),
        ("abc", "a", True),
        ("abcd", "ab", False),
        ("ab", "xyz", True),
    ],
)
def test_F68_a_list_is_suspect_when_more_than_half_of_two_or_more_are_missing(
    wanted: str, shown: str, suspect: bool
) -> None:
    shown_instances = [instance(each) for each in shown]

    assert snapshot.is_suspect(shown_instances, wanted_ids=set(wanted)) is suspect


def test_F68_a_suspect_list_is_held_twice_and_believed_the_third_time(
    world: World, deployment: Deployment
) -> None:
    machines = [rented(world, deployment)[0] for _ in range(3)]
    listed(world, deployment)
    world.cloud.fail("list", "empty", "empty", "empty")

    for held in (1, 2):
        row = listed(world, deployment)
        assert (row.suspect_lists, row.good_lists) == (held, 1)
        assert [now_of(machine).absent_lists for machine in machines] == [0, 0, 0]

    assert listed(world, deployment).good_lists == 2
    assert [now_of(machine).absent_lists for machine in machines] == [1, 1, 1]


def test_F68_a_good_list_between_suspect_ones_starts_the_count_again(
    world: World, deployment: Deployment
) -> None:
    for _ in range(2):
        rented(world, deployment)
    listed(world, deployment)
    world.cloud.fail("list", "empty", "empty", "ok", "empty")

    counts = [listed(world, deployment).suspect_lists for _ in range(4)]

    assert counts == [1, 2, 0, 1]


def test_F68_machines_that_were_asked_to_end_are_not_missed(
    world: World, deployment: Deployment
) -> None:
    ending = [rented(world, deployment, end_wanted_at=world.clock.now)[0] for _ in range(3)]
    listed(world, deployment)
    world.cloud.fail("list", "empty")

    listed(world, deployment)

    assert [now_of(machine).absent_lists for machine in ending] == [1, 1, 1]


def in_account(world: World, monkeypatch: pytest.MonkeyPatch, *markers: str) -> None:
    """Let the cloud tell these markers, one each time it is asked which account it shows."""
    asked = iter(markers)
    cloud = type(clouds.provider_for(VaultEntry.objects.get()))
    monkeypatch.setattr(cloud, "account_marker", lambda self, public_key: next(asked))


def test_F68_a_list_of_another_account_is_held_twice_even_with_one_machine(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, _ = rented(world, deployment)
    in_account(world, monkeypatch, "ours", "theirs", "theirs")
    assert listed(world, deployment).account_marker == ""
    assert listed(world, deployment).account_marker == "ours"
    world.cloud.fail("list", "empty", "empty", "ok")

    held = [listed(world, deployment).suspect_lists for _ in range(3)]

    assert held == [1, 2, 0]
    assert now_of(machine).absent_lists == 0


def test_F68_a_list_of_our_own_account_without_the_machine_counts(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, at_cloud = rented(world, deployment)
    in_account(world, monkeypatch, "ours", "ours", "ours")
    for _ in range(2):
        listed(world, deployment)
    at_cloud.end()

    for _ in range(2):
        listed(world, deployment)

    assert now_of(machine).absent_lists == 2


# Which keys are listed at all.


def watched(deployment: Deployment, now: datetime) -> bool:
    return snapshot.is_watched(deployment.vault_entry_id, now=now, timing=TIMING)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.TRAINING, Status.TERMINATING])
def test_a_key_with_a_live_deployment_is_watched(world: World, status: Status) -> None:
    assert watched(world.deploy(status=status), world.clock.now)


def over(world: World, *, hours_ago: float = 1) -> Deployment:
    completed_at = world.clock.in_seconds(-3600 * hours_ago)
    return world.deploy(status=Status.COMPLETED, completed_at=completed_at)


def test_a_key_whose_deployments_are_all_over_is_not_watched(world: World) -> None:
    deployment = over(world)
    builders.make_machine(
        deployment, gone_at=world.clock.now, billed_usd=0, seen_at=world.clock.now
    )

    assert not watched(deployment, world.clock.now)


@pytest.mark.parametrize("state", [LaunchState.NEVER_SEEN, LaunchState.LAUNCHED])
def test_D2_F18_a_machine_that_never_showed_may_still_appear_for_a_day(
    world: World, state: LaunchState
) -> None:
    recent, long_ago = over(world), over(world, hours_ago=25)
    now = world.clock.now
    builders.make_machine(recent, launch_state=state, gone_at=now, billed_usd=0)

    assert watched(recent, now)
    Deployment.objects.filter(pk=recent.pk).update(completed_at=long_ago.completed_at)
    assert not watched(recent, now)


def test_F21_a_key_with_a_stray_is_watched_until_it_is_gone(world: World) -> None:
    deployment, now = over(world), world.clock.now
    stray = Stray.objects.create(
        vault_entry_id=deployment.vault_entry_id,
        instance_id="i-stray",
        name="slwtst-x",
        first_seen_at=now,
        last_seen_at=now,
        terminate_after=now,
    )

    assert watched(deployment, now)
    Stray.objects.filter(pk=stray.pk).update(gone_at=now)
    assert not watched(deployment, now)
