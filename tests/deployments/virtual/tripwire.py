"""Places where a worker may die: before and after everything that leaves a trace (F19, F75)."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import pytest

from deployments.lifecycle import collecting
from deployments.lifecycle.lease import Lease
from deployments.models import Deployment, Event
from tests.deployments.virtual.cloud import Killed, VirtualProvider
from tests.deployments.virtual.remote import VirtualRemote

When = Literal["before", "after"]
BOUNDARIES: tuple[tuple[Any, str], ...] = (
    (Lease, "take"),
    (Lease, "write"),
    (Lease, "renew"),
    (Lease, "release"),
    (VirtualProvider, "offers"),
    (VirtualProvider, "ensure_ssh_key"),
    (VirtualProvider, "launch"),
    (VirtualProvider, "list_all"),
    (VirtualProvider, "terminate"),
    (VirtualRemote, "run"),
    (VirtualRemote, "write"),
    (VirtualRemote, "read"),
    (VirtualRemote, "upload"),
    (VirtualRemote, "download"),
    (collecting, "keep"),
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
        for owner, name in BOUNDARIES:
            self._watch(monkeypatch, owner, name)

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
