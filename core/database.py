"""What a database answers that is away for a moment: nothing is wrong with what was asked (F76)."""

import sqlite3

from django.db import InterfaceError, OperationalError, close_old_connections, connection

# "database is locked", a serialisation failure, a deadlock, a connection that was cut: psycopg's
# and sqlite3's errors for them are these, or subclasses of these (PEP 249).
DATABASE_AWAY = (OperationalError, InterfaceError)


def is_away(error: BaseException | None) -> bool:
    """Say whether the database is away, by an error of Django's.

    SQLite calls a missing table an OperationalError too: that is a fault of ours, and stays one.
    """
    if not isinstance(error, DATABASE_AWAY):
        return False
    told = error.__cause__
    return not (
        isinstance(told, sqlite3.Error)
        and getattr(told, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    )


def reconnect() -> None:
    """Drop a connection that broke, so that the next query opens a new one."""
    if not connection.in_atomic_block:
        close_old_connections()
