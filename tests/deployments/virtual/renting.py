"""Machines that are rented already, in the rows and at the virtual cloud, and lists of them."""

from typing import Any

from deployments import snapshot
from deployments.models import CloudSnapshot, Deployment, Machine
from tests import builders
from tests.deployments.virtual.cloud import VirtualMachine
from tests.deployments.virtual.world import World


def rented(world: World, deployment: Deployment, **fields: Any) -> tuple[Machine, VirtualMachine]:
    """Return a machine's row and the machine at the cloud, both two minutes old."""
    values: dict[str, Any] = {
        "requested_at": world.clock.in_seconds(-122),
        "launch_ended_at": world.clock.in_seconds(-120),
    }
    machine = builders.make_machine(deployment, **(values | fields))
    at_cloud = VirtualMachine(
        clock=world.clock,
        instance_id=machine.instance_id or f"i-{machine.name}",
        name=machine.name,
        instance_type=machine.instance_type,
        region=machine.region,
        hourly_price=machine.hourly_price,
        ip=f"127.7.0.{len(world.cloud.machines) + 1}",
        host_key="ssh-ed25519 x",
        started_at=world.clock.in_seconds(-120),
        active_from=world.clock.in_seconds(-60),
        listed_from=world.clock.in_seconds(-120),
    )
    world.cloud.machines.append(at_cloud)
    return machine, at_cloud


def listed(world: World, deployment: Deployment, *, after: float = 10) -> CloudSnapshot:
    """Let time pass, list the account, and return what is known then."""
    world.clock.advance(after)
    return snapshot.list_cloud(deployment.vault_entry_id)


def now_of(machine: Machine) -> Machine:
    machine.refresh_from_db()
    return machine
