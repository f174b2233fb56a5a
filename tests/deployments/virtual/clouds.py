"""Several virtual clouds looked at as one: what invariants ask, they ask of all."""

from collections.abc import Iterable
from typing import TypeVar

from tests.deployments.virtual.cloud import Listing, Session, VirtualCloud, VirtualMachine

Thing = TypeVar("Thing")


class VirtualClouds:
    """What there is at all of these clouds, one after the other."""

    def __init__(self, each: Iterable[VirtualCloud]) -> None:
        self.each = tuple(each)

    @property
    def machines(self) -> list[VirtualMachine]:
        return _all(cloud.machines for cloud in self.each)

    @property
    def sessions(self) -> list[Session]:
        return _all(cloud.sessions for cloud in self.each)

    @property
    def listings(self) -> list[Listing]:
        return _all(cloud.listings for cloud in self.each)

    @property
    def asked_to_end(self) -> list[str]:
        return _all(cloud.asked_to_end for cloud in self.each)

    @property
    def agents_started(self) -> list[str]:
        return _all(cloud.agents_started for cloud in self.each)

    @property
    def calls(self) -> list[tuple[str, str]]:
        return _all(cloud.calls for cloud in self.each)

    @property
    def private_keys(self) -> list[str]:
        return _all(cloud.private_keys for cloud in self.each)

    @property
    def troubles(self) -> int:
        return sum(cloud.troubles for cloud in self.each)

    def live(self) -> list[VirtualMachine]:
        return [machine for machine in self.machines if machine.lives()]


def _all(things: Iterable[list[Thing]]) -> list[Thing]:
    return [thing for some in things for thing in some]


Clouds = VirtualCloud | VirtualClouds
