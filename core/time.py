"""The database's clock: leases and expiry go by it, never by the host's (D5, F78)."""

from datetime import UTC, datetime

from django.db import connection


def database_now() -> datetime:
    """Return the database's present time as aware UTC; one query, no table.

    Resolution: microseconds on PostgreSQL, milliseconds on SQLite.
    """
    if connection.vendor == "sqlite":
        # The C library asks the system itself, so a clock faked inside Python does not reach it.
        statement = "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'now')"
    else:
        statement = "SELECT STATEMENT_TIMESTAMP()"
    with connection.cursor() as cursor:
        cursor.execute(statement)
        (value,) = cursor.fetchone()
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    moment: datetime = value
    return moment.astimezone(UTC)
