"""A database that is busy for real: somebody else holds what the test wants to write."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def impatient() -> Iterator[None]:
    """Let this connection wait a moment for a lock, and not the 20 s of the settings."""
    impatience, usual = (
        ("PRAGMA busy_timeout = 50", "PRAGMA busy_timeout = 20000")
        if connection.vendor == "sqlite"
        else ("SET lock_timeout = 50", "RESET lock_timeout")
    )
    with connection.cursor() as cursor:
        cursor.execute(impatience)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(usual)


@contextmanager
def somebody_else() -> Iterator[BaseDatabaseWrapper]:
    """Hand out a second connection to the test's database, as another process would have it."""
    other = connection.copy()
    try:
        yield other
    finally:
        other.close()


def hold(other: BaseDatabaseWrapper, table: str) -> None:
    """Let somebody else lock a table; on SQLite there is one lock for all of them."""
    with other.cursor() as cursor:
        if other.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute(f'BEGIN; LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')


def let_go(other: BaseDatabaseWrapper) -> None:
    """Let somebody else end the transaction that holds it."""
    with other.cursor() as cursor:
        cursor.execute("ROLLBACK")


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Keep a table locked for the length of the block, by somebody else."""
    with somebody_else() as other:
        hold(other, table)
        try:
            yield
        finally:
            let_go(other)
