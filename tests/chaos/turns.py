"""What becomes of a machine that nobody asked for."""

from collections.abc import Callable

from deployments.providers.base import InstanceStatus
from tests.deployments.virtual.cloud import VirtualMachine

REBOOT_SECONDS = 60


def vanish(machine: VirtualMachine) -> None:
    """F49: it is gone, and bills no more."""
    machine.end()


def unhealthy(machine: VirtualMachine) -> None:
    """F26, F50: the cloud says so; it goes on working."""
    machine.shown_as = InstanceStatus.UNHEALTHY


def preempted(machine: VirtualMachine) -> None:
    """F48: the cloud takes it away."""
    machine.shown_as = InstanceStatus.PREEMPTED


def reboot(machine: VirtualMachine) -> None:
    """F52: it comes back with its files, and without its agent."""
    machine.active_from = machine.clock.in_seconds(REBOOT_SECONDS)
    if machine.agent is not None:
        machine.agent.died_at = machine.agent.died_at or machine.clock.now


TURNS: dict[str, Callable[[VirtualMachine], None]] = {
    turn.__name__: turn for turn in (vanish, unhealthy, preempted, reboot)
}
