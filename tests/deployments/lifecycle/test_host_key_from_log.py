"""T7: a machine to which no host key can be given is known by what its cloud tells of it."""

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from core.errors import InvalidInputError
from deployments import clouds
from deployments.lifecycle import booting
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from deployments.providers.base import ProviderUnavailableError
from deployments.remote import SshUnreachableError, fingerprint_of, generate_key_pair
from deployments.timing import Timing
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.cloud import VirtualProvider
from tests.deployments.virtual.world import World

TIMING = Timing()
SHOWN = " ".join(generate_key_pair("host").public_key.split()[:2])
ANOTHER = " ".join(generate_key_pair("another").public_key.split()[:2])
Told = Callable[[], frozenset[str]]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[Told], None]:
    """Let the cloud tell host keys, and the machine show SHOWN."""
    monkeypatch.setattr(booting, "shown_host_key", lambda host, port: SHOWN)

    def say(told: Told) -> None:
        monkeypatch.setattr(
            VirtualProvider, "host_key_fingerprints", lambda self, instance_id: told()
        )

    return say


def unpinned(world: World, **fields: object) -> tuple[Deployment, Machine]:
    deployment, machine, _ = with_machine(world, Status.BOOTING)
    Machine.objects.update(host_public_key="", active_at=world.clock.now, **fields)
    machine.refresh_from_db()
    return deployment, machine


def test_t7_the_key_that_the_cloud_tells_is_pinned(
    world: World, tell: Callable[[Told], None]
) -> None:
    tell(lambda: frozenset({fingerprint_of(ANOTHER), fingerprint_of(SHOWN)}))
    deployment, machine = unpinned(world)

    delay = booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert delay == 0
    assert (machine.host_public_key, machine.login_at, machine.fault) == (SHOWN, None, None)
    assert events(deployment) == ["hostkey"]


def test_t7_f30_a_key_that_the_cloud_does_not_tell_is_a_fault(
    world: World, tell: Callable[[Told], None]
) -> None:
    tell(lambda: frozenset({fingerprint_of(ANOTHER)}))
    deployment, machine = unpinned(world)

    booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.host_public_key == ""
    assert machine.fault is not None
    assert (machine.fault["code"], machine.fault["retryable"]) == ("E_HOSTKEY", False)


def test_t7_a_log_that_tells_no_key_is_waited_for_and_then_refused(
    world: World, tell: Callable[[Told], None]
) -> None:
    tell(frozenset)
    deployment, machine = unpinned(world)

    delay = booting.log_in(leased(deployment), machine)
    machine.refresh_from_db()
    early = machine.fault
    world.clock.now = world.clock.in_seconds(TIMING.host_key_told_seconds)
    booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert (delay, early) == (TIMING.ssh_retry_seconds, None)
    assert machine.fault is not None
    assert "LAMBDA_HOST_KEY=first_contact" in machine.fault["remedy"]
    assert machine.host_public_key == ""


def test_i13_a_cloud_that_does_not_answer_tells_nothing(
    world: World, tell: Callable[[Told], None]
) -> None:
    def away() -> frozenset[str]:
        raise ProviderUnavailableError("No answer.")

    tell(away)
    deployment, machine = unpinned(world)
    world.clock.now = world.clock.in_seconds(TIMING.host_key_told_seconds + 60)

    delay = booting.log_in(leased(deployment), machine)

    machine.refresh_from_db()
    assert (delay, machine.fault) == (TIMING.ssh_retry_seconds, None)


def test_f29_a_machine_that_does_not_answer_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(host: str, port: int) -> str:
        raise SshUnreachableError("Nobody.", remedy="Wait.")

    monkeypatch.setattr(booting, "shown_host_key", silent)
    deployment, machine = unpinned(world)

    assert booting.log_in(leased(deployment), machine) == TIMING.ssh_retry_seconds


def test_i12_nobody_logs_in_to_a_machine_whose_key_is_not_known(
    world: World, settings: Settings
) -> None:
    _, machine = unpinned(world)

    with pytest.raises(InvalidInputError, match="host key"):
        clouds.ssh_target(machine)
    settings.LAMBDA_HOST_KEY = "first_contact"
    assert clouds.ssh_target(machine).host_key == ""


def test_f27_the_port_that_a_machine_was_seen_at_is_the_one_we_use(world: World) -> None:
    _, machine = unpinned(world, seen_ssh_port=34446)

    assert clouds.ssh_address(machine) == (machine.seen_ip, 34446)
