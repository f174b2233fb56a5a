"""A database that is away for a moment, for the workers; the rest of a test is spared (F76)."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from deployments import tasks

STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
WORK = ("claim_due", "tick", "slice_of_work", "list_cloud", "sweep")


class ShakyDatabase:
    """Fails a share of the statements that the workers send, and tells whoever wants to know."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, noticed: Callable[[], None] = lambda: None
    ) -> None:
        self._noticed = noticed
        self.begin(share=0.0, seed=0)
        for name in WORK:
            monkeypatch.setattr(tasks, name, self._shaken(getattr(tasks, name)))

    def begin(self, *, share: float, seed: int) -> None:
        """Fail that share from now on, the same statements for the same seed."""
        self.failures = 0
        self.share = share
        self._random = random.Random(seed)  # noqa: S311  # no secret

    def _shaken(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def shaken(*arguments: Any) -> None:
            if not self.share:
                work(*arguments)
                return
            try:
                with connection.execute_wrapper(self._execute):
                    work(*arguments)
            except OperationalError:
                # What the queue and the ticker do with a task that failed: nothing.
                assert work.__name__ not in ("tick", "slice_of_work"), "a tick never raises"

        return shaken

    def _execute(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if sql.startswith(STATEMENTS) and self._random.random() < self.share:
            self.failures += 1
            self._noticed()
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)
