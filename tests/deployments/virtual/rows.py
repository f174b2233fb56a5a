"""Rows read and deleted without the ORM: what a world does thousands of times must be quick."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection, transaction

# What migrations filled, and what no life changes.
KEPT = frozenset({"django_content_type", "auth_permission", "django_migrations"})
NEXT_DUE = (
    "SELECT MIN(next_tick_at) FROM cloud_deployments"
    " WHERE status NOT IN ('completed', 'failed', 'cancelled')"
    " UNION ALL SELECT MIN(next_list_at) FROM cloud_snapshots"
    " UNION ALL SELECT MIN(next_sweep_at) FROM cloud_snapshots WHERE next_list_at IS NOT NULL"
)


def select(statement: str) -> list[tuple[Any, ...]]:
    """Return all rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def moment(value: Any) -> datetime | None:
    """Return a column's time as aware UTC; SQLite keeps it as text."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value is None:
        return None
    found: datetime = value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def next_due() -> datetime | None:
    """Return when a worker next has something to do, None when it never has."""
    return min(filter(None, (moment(value) for (value,) in select(NEXT_DUE))), default=None)


@cache
def tables() -> tuple[str, ...]:
    """Return the tables whose rows are a life's, in no order."""
    models: Iterable[Any] = apps.get_models(include_auto_created=True)
    return tuple({model._meta.db_table for model in models} - KEPT)  # noqa: SLF001  # documented


def delete_all() -> None:
    """Delete every row; the foreign keys of our tables are checked when that is done."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608  # our own names
