"""What every cloud's double has in common: an account on the wire, its faults, and who asks."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import requests
import responses

from deployments.providers.base import ProviderBusyError, RequestKind

API_KEY = "secret_slipway-tests_0123456789abcdef.fedcba9876543210"
WRONG_KEY = "secret_nobody_0000000000000000.0000000000000000"
HttpAnswer = tuple[int, dict[str, str], str]


class FreePacer:
    """Lets every request through and remembers of what kind it was."""

    def __init__(self) -> None:
        self.kinds: list[RequestKind] = []

    def wait(self, kind: RequestKind) -> None:
        self.kinds.append(kind)


class FullPacer:
    """Has no room for anything."""

    def wait(self, kind: RequestKind) -> None:
        raise ProviderBusyError("Other requests to this cloud go first.", retry_after_seconds=7)


@dataclass
class CloudDouble(ABC):
    """A cloud's account and its faults; ``calls`` holds "METHOD path" of every request."""

    platform: ClassVar[str]
    base_url: ClassVar[str]
    # What can be rented of it.
    instance_type: ClassVar[str]
    region: ClassVar[str]

    machines: list[dict[str, Any]] = field(default_factory=list)
    has_capacity: bool = True
    loses_launch_answers: bool = False
    list_is_garbage: bool = False
    calls: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    @property
    @abstractmethod
    def launches(self) -> int:
        """Return how often a launch was asked for."""

    @property
    def also_at(self) -> str:
        """Return another address at which it answers, if it has one."""
        return self.base_url

    @abstractmethod
    def answer(self, request: requests.PreparedRequest) -> HttpAnswer: ...

    @contextmanager
    def answering(self) -> Iterator[None]:
        with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
            for method in ("GET", "POST", "DELETE", "PATCH", "PUT"):
                for address in {self.base_url, self.also_at}:
                    wire.add_callback(
                        method, re.compile(rf"{re.escape(address)}.*"), callback=self._noted
                    )
            yield

    def _noted(self, request: requests.PreparedRequest) -> HttpAnswer:
        path = (request.url or "").removeprefix(self.base_url)
        self.calls.append(f"{request.method} {path}")
        self.bodies.append(json.loads(request.body) if request.body else None)
        return self.answer(request)
