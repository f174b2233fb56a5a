"""Booting: the first login, with the host key we gave the machine pinned (F29, F30)."""

import pytest
from pytest_django.fixtures import Settings

from deployments.lifecycle import booting
from deployments.models import Machine
from deployments.models.deployments import Status
from deployments.timing import Timing
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.world import World

TIMING = Timing()


def test_a_login_that_works_is_written_down(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.BOOTING)

    delay = booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert delay == 0
    assert machine.login_at == world.clock.now
    assert events(deployment) == ["login"]


def test_F29_a_machine_that_does_not_answer_is_tried_again(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.BOOTING)
    world.cloud.fail("ssh", "unreachable")

    delay = booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert delay == TIMING.ssh_retry_seconds
    assert (machine.login_at, machine.fault) == (None, None)
    assert events(deployment) == []


def test_F29_the_first_refusal_of_our_key_is_remembered_until_ssh_falls_silent(
    world: World,
) -> None:
    deployment, machine, _ = with_machine(world, Status.BOOTING)
    world.cloud.fail("ssh", "auth", "auth", "unreachable")
    since = []
    for _ in range(3):
        booting.log_in(leased(deployment), machine)
        machine.refresh_from_db()
        since.append(machine.login_refused_since)

    assert since[0] is not None
    assert since == [since[0], since[0], None]


def test_F30_another_host_key_is_a_fault_of_the_machine(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.BOOTING)
    world.cloud.fail("ssh", "hostkey")

    booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.fault is not None
    assert (machine.fault["code"], machine.fault["retryable"]) == ("E_HOSTKEY", False)
    assert machine.login_at is None


def test_I12_first_contact_pins_what_the_machine_shows(world: World, settings: Settings) -> None:
    settings.LAMBDA_HOST_KEY = "first_contact"
    deployment, machine, at_cloud = with_machine(world, Status.BOOTING)
    Machine.objects.update(host_public_key="")
    machine.refresh_from_db()

    booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.host_public_key == at_cloud.host_key


def test_F27_a_changed_address_is_used_and_needs_the_same_key(world: World) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.BOOTING)
    at_cloud.ip = "127.7.7.7"
    Machine.objects.update(seen_ip="127.7.7.7", host_public_key="ssh-ed25519 another")
    machine.refresh_from_db()

    booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.fault is not None
    assert machine.fault["code"] == "E_HOSTKEY"


def test_there_must_be_a_machine(world: World) -> None:
    with pytest.raises(ValueError, match="no machine"):
        booting.log_in(leased(world.deploy(status=Status.BOOTING)), None)
