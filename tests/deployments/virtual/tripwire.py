"""Places where a worker may die: before and after everything that leaves a trace (F19, F75)."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import pytest

from deployments import checkpoints
from deployments.lifecycle import collecting, fetching
from deployments.lifecycle.lease import Lease
from deployments.models import Deployment, Event
from tests.deployments.virtual.cloud import Killed, VirtualProvider
from tests.deployments.virtual.remote import VirtualRemote

When = Literal["before", "after"]


class Boundary(NamedTuple):
    """A call that leaves a trace: where it is, of what kind it is, and what it does."""

    owner: Any
    name: str
    kind: Literal["commit", "HTTP", "SSH", "rename"]
    does: str


BOUNDARIES = (
    Boundary(Lease, "take", "commit", "Take the lease on a deployment; fences whoever had it"),
    Boundary(Lease, "write", "commit", "Write a decision with its event, if the lease still holds"),
    Boundary(Lease, "renew", "commit", "Keep the lease for a slower piece of work"),
    Boundary(Lease, "release", "commit", "Give the lease back and say when to look again"),
    Boundary(VirtualProvider, "offers", "HTTP", "Read the cloud's catalogue"),
    Boundary(VirtualProvider, "ensure_ssh_key", "HTTP", "Register our public key at the cloud"),
    Boundary(VirtualProvider, "launch", "HTTP", "Rent a machine"),
    Boundary(VirtualProvider, "list_all", "HTTP", "List all machines of an account"),
    Boundary(VirtualProvider, "terminate", "HTTP", "Ask for the end of a machine"),
    Boundary(VirtualRemote, "run", "SSH", "Run a command: log in, start the agent, stop, save"),
    Boundary(VirtualRemote, "write", "SSH", "Write a file whole on the machine"),
    Boundary(VirtualRemote, "read", "SSH", "Read from the run log where the last look ended"),
    Boundary(VirtualRemote, "upload", "SSH", "Send the payload or the dataset"),
    Boundary(VirtualRemote, "download", "SSH", "Fetch a slice of an artifact or checkpoint"),
    Boundary(collecting, "keep", "rename", "Put the verified adapter in its place at home"),
    Boundary(
        fetching, "pack", "rename", "Put a verified checkpoint's archive in its place at home"
    ),
    Boundary(
        checkpoints, "clean_up", "rename", "Remove older checkpoints once newer ones are home"
    ),
)
Dies = Callable[[str], bool]
# Called on both sides of each boundary; what it raises comes out there.
Hook = Callable[[str, When], None]


class Tripwire:
    """Watches every boundary; a test says at which the worker dies, before or after it.

    ``hook`` is for whatever else is to happen at boundaries.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed: list[str] = []
        self.deaths = 0
        self.hook: Hook = lambda name, when: None
        self._dies: Dies = lambda name: False
        self._when: When = "before"
        for boundary in BOUNDARIES:
            self._watch(monkeypatch, boundary.owner, boundary.name)

    def die_at(self, number: int, when: When) -> None:
        """Die once, at the boundary with that number, counted from 0."""
        self._when = when
        self._dies = lambda name: len(self.passed) == number + 1

    def die_everywhere_once(self, when: When) -> None:
        """Die the first time at each boundary of each stage of a life.

        A stage is a status and the newest event: what was last written down.
        """
        self._when = when
        been: set[tuple[str, str, str]] = set()

        def dies(name: str) -> bool:
            status = Deployment.objects.values_list("status", flat=True).get()
            newest = Event.objects.order_by("-id").values_list("kind", flat=True).first()
            place = (name, status, newest or "")
            new = place not in been
            been.add(place)
            return new

        self._dies = dies

    def _watch(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        @functools.wraps(real)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.passed.append(name)
            self.hook(name, "before")
            dies = self._dies(name)
            if dies and self._when == "before":
                self.die()
            result = real(*args, **kwargs)
            if dies:
                self.die()
            self.hook(name, "after")
            return result

        monkeypatch.setattr(owner, name, watched)

    def die(self) -> None:
        self.deaths += 1
        raise Killed
