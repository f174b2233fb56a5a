"""Where an error is provoked: a reader, a market of machines, or a whole virtual world."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from html import unescape
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from deployments.models import Deployment
from deployments.timing import Timing
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken
from tests.deployments.virtual.world import QUICK, World

# What people type and machines say is shown as it is, never taken for a part of the page.
HOSTILE = "<i>hostile</i>"
# Few looks, so that a life takes few steps.
FAST: Timing = replace(
    QUICK,
    poll_seconds=60,
    ssh_retry_seconds=60,
    proof_interval_seconds=1,
    visibility_window_seconds=1,
    visibility_lists=1,
    ask_limit_seconds=30,
    boot_limit_seconds=120,
    ssh_limit_seconds=120,
    ssh_refused_login_limit_seconds=60,
    prepare_limit_seconds=120,
    silence_limit_seconds=120,
    terminate_alarm_seconds=120,
)


@dataclass(frozen=True)
class Shown:
    """What somebody saw: a whole page, or a program's answer."""

    status: int
    html: str

    @cached_property
    def words(self) -> str:
        """The words of its main part."""
        main = self.html.partition("<main")[2].partition(">")[2].partition("</main>")[0]
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", spoken(main))).split())


class Stage:
    """What a provocation may use; each part is set up when it is asked for."""

    def __init__(
        self,
        request: pytest.FixtureRequest,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self._request = request
        self.settings = settings
        self.monkeypatch = monkeypatch
        settings.TIMING = FAST

    @cached_property
    def world(self) -> World:
        """A user with a key at a virtual cloud, and the workers."""
        found: World = self._request.getfixturevalue("world")
        found.cloud.boot_seconds = 0
        return found

    @cached_property
    def market(self) -> responses.RequestsMock:
        """A cloud that answers its catalogue; a provocation says what else it answers."""
        found: responses.RequestsMock = self._request.getfixturevalue("market")
        return found

    @cached_property
    def user(self) -> User:
        """Somebody without anything yet."""
        found: User = self._request.getfixturevalue("user")
        return found

    @cached_property
    def reader(self) -> Client:
        """Their browser."""
        return signed_in(self.user)

    def cloud_says(self, status: int, code: str = "", *, path: str = ".*") -> None:
        """Let the cloud answer everything so, its catalogue included."""
        error = {"error": {"code": code, "message": f"Because of {HOSTILE}."}}
        self.market.reset()
        self.market.get(re.compile(f"{BASE_URL}/{path}"), status=status, json=error)

    def always(self, kind: str, fault: str | Exception) -> None:
        """Let every call of a kind to the virtual cloud or its machines meet this fault."""
        world = self.world
        real = world.cloud.next_fault

        def next_fault(asked: str) -> str:
            if asked != kind:
                return real(asked)
            world.clock.advance(world.cloud.call_seconds)
            if isinstance(fault, Exception):
                raise fault
            return fault

        self.monkeypatch.setattr(world.cloud, "next_fault", next_fault)

    def page_of(self, run: Deployment) -> Shown:
        """Return the page of a run of the world's user."""
        return shown(signed_in(self.world.user).get(f"/jobs/{run.job_id}/"))


def shown(answer: Any) -> Shown:
    """Return what an answer shows."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return Shown(answer.status_code, content.decode())


Provoke = Callable[[Stage], Shown]


@dataclass(frozen=True)
class Row:
    """One way to a code: the page that shows it, how to get there, what one reads there.

    ``bills`` says whether a machine bills while the page is shown.
    """

    code: str
    place: str
    provoke: Provoke
    says: str
    bills: bool = False

    def __str__(self) -> str:
        return f"{self.code} {self.place}"
