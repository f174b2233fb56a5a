"""One act on one machine: a lease, a machine that is there, and what the act made of it."""

from typing import Any

from deployments.lifecycle.lease import Lease
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from tests.deployments.virtual.cloud import VirtualMachine
from tests.deployments.virtual.renting import rented
from tests.deployments.virtual.world import World


def leased(deployment: Deployment) -> Lease:
    """Take the deployment's lease, with nobody else about."""
    Deployment.objects.filter(pk=deployment.pk).update(lease_until=None)
    lease = Lease.take(deployment.pk, purpose="ssh", seconds=50)
    assert lease is not None
    return lease


def with_machine(
    world: World, status: Status, **fields: Any
) -> tuple[Deployment, Machine, VirtualMachine]:
    """Return a deployment in that status with a machine that is up and listed as active."""
    deployment = world.deploy(status=status)
    row, at_cloud = rented(world, deployment, host_public_key="ssh-ed25519 x", **fields)
    Machine.objects.filter(pk=row.pk).update(
        seen_ip=at_cloud.ip, seen_status="active", seen_at=world.clock.now
    )
    row.refresh_from_db()
    return deployment, row, at_cloud


def events(deployment: Deployment) -> list[str]:
    """Return the kinds of the deployment's events, in order."""
    return list(deployment.events.order_by("id").values_list("kind", flat=True))
