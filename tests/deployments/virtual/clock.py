"""A clock that a test moves: everything of ours that asks the database for the time asks this."""

import sys
from datetime import datetime, timedelta

import pytest

from core import time as core_time
from tests.builders import NOON

OURS = ("core", "datasets", "deployments", "notifications", "secrets_vault")


class Clock:
    """The time now; it stands still until a test moves it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def advance_to(self, moment: datetime) -> None:
        """Move on to that moment; never back."""
        self.now = max(self.now, moment)

    def in_seconds(self, seconds: float) -> datetime:
        return self.now + timedelta(seconds=seconds)


def use(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every module of ours that has imported ``database_now`` ask this clock instead."""
    real = core_time.database_now
    for name, module in list(sys.modules.items()):
        ours = name.partition(".")[0] in OURS
        if ours and getattr(module, "database_now", None) is real:
            monkeypatch.setattr(module, "database_now", clock)
