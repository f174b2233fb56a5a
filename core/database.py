"""What a database answers that is away for a moment: nothing is wrong with what was asked (F76)."""

import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

Result = TypeVar("Result")

# "database is locked", a serialisation failure, a deadlock, a connection that was cut: psycopg's
# and sqlite3's errors for them are these, or subclasses of these (PEP 249).
DATABASE_AWAY = (OperationalError, InterfaceError)
TRIES = 3
# SQLite waits 20 s for a lock (config/environment.py). Who has waited that long once waits no more:
# the machine that pushes gives up after 10 s, a worker's lease ends after 50.
RETRIED_WITHIN_SECONDS = 10.0
# What PostgreSQL and SQLite say when they have undone a transaction: serialisation failure and
# deadlock, a lock that was not given; "database is locked" and "table is locked".
_UNDONE_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
_UNDONE_SQLITE_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def is_away(error: BaseException | None) -> bool:
    """Say whether the database is away, by an error of Django's.

    SQLite calls a missing table an OperationalError too: that is a fault of ours, and stays one.
    """
    if not isinstance(error, DATABASE_AWAY):
        return False
    return _sqlite_code(error) != sqlite3.SQLITE_ERROR


def retried(work: Callable[[], Result]) -> Result:
    """Do ``work`` in a transaction of its own, up to three times while the database is away (F76).

    For work whose loss hurts: news of a machine, the answer of a cloud, the end of a long upload.
    ``work`` changes rows and nothing else, and reads inside itself whatever it goes by, for others
    may have written between two tries. What nothing but time is lost with needs no such care: a
    tick is left to the next one.

    A transaction that ended before its COMMIT was sent has changed nothing, so it is done again
    whatever the error was. When the answer to COMMIT is lost nobody knows whether the rows are
    written: the error is raised, and its caller reads again before it acts. Inside another
    transaction ``work`` is done once, for only the whole can be done again.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            return work()
    begun = time.monotonic()
    for tries_left in reversed(range(TRIES)):
        may_be_written = False
        try:
            with transaction.atomic():
                result = work()
                may_be_written = True
        except DATABASE_AWAY as error:
            changed_nothing = was_undone(error) if may_be_written else is_away(error)
            waited = time.monotonic() - begun
            if not changed_nothing or not tries_left or waited >= RETRIED_WITHIN_SECONDS:
                raise
        else:
            return result
        reconnect()
        pause()
    raise AssertionError("the last try returns or raises")


def was_undone(error: BaseException) -> bool:
    """Say whether the database itself tells that it has undone the transaction."""
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return sqlstate in _UNDONE_SQLSTATES or _sqlite_code(error) in _UNDONE_SQLITE_CODES


def pause() -> None:
    """Wait a moment, not all for the same: two that met must not meet again."""
    time.sleep(random.uniform(0.05, 0.3))  # noqa: S311  # no secret


def reconnect() -> None:
    """Drop a connection that broke, so that the next query opens a new one."""
    if not connection.in_atomic_block:
        close_old_connections()


def _sqlite_code(error: BaseException) -> int | None:
    """Return SQLite's primary result code, the low byte of the one it gives; None if it is not its.

    Source: sqlite.org/rescode.html, "Primary Result Codes versus Extended Result Codes".
    """
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
