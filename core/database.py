"""What a database answers that is away for a moment: nothing is wrong with what was asked (F76)."""

from django.db import InterfaceError, OperationalError, close_old_connections, connection

# "database is locked", a serialisation failure, a deadlock, a connection that was cut: psycopg's
# and sqlite3's errors for them are these, or subclasses of these (PEP 249).
DATABASE_AWAY = (OperationalError, InterfaceError)


def reconnect() -> None:
    """Drop a connection that broke, so that the next query opens a new one."""
    if not connection.in_atomic_block:
        close_old_connections()
