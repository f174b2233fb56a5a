"""Sealing every secret anew with the newest key, so that an older one can be dropped.

It works on the raw columns: what is inside a sealed value, its owner included, is not looked at,
and a field that refuses to load cannot stand in the way. Each row is written by compare-and-set on
the old ciphertext, so a row that somebody changes meanwhile is never overwritten; killed half-way,
it goes on where it was when started again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import connection

from secrets_vault.fields import SecretField

Key = int | str | UUID

# A row that changes under our hands is read again so often.
TRIES = 5


@dataclass(frozen=True)
class Column:
    """One sealed column of the database."""

    table: str
    key: str
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass
class Census:
    """How many rows are sealed, and which key opens them. ``unreadable`` names rows, not values."""

    sealed: int = 0
    by_newest: int = 0
    by_older: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def is_proof(self) -> bool:
        """Whether the newest key alone opens every sealed row."""
        return self.by_newest == self.sealed


@dataclass(frozen=True)
class Outcome:
    """The columns as they were found and as they were left."""

    before: Census
    after: Census
    rewrapped: int

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost and every older key can be dropped."""
        return self.before.sealed == self.after.sealed and self.after.is_proof


def columns() -> list[Column]:
    """Return every sealed column of every app; a new one is found by its field."""
    found = []
    for model in apps.get_models():
        meta = model._meta  # noqa: SLF001  # documented by Django
        for secret in meta.concrete_fields:
            if isinstance(secret, SecretField):
                found.append(Column(meta.db_table, str(meta.pk.column), secret.column))
    return found


def census() -> Census:
    """Count the sealed rows by the key that opens them; changes nothing."""
    newest, every = _keys()
    found = Census()
    for column in columns():
        for pk, sealed in _rows(column):
            found.sealed += 1
            if _opens(newest, sealed):
                found.by_newest += 1
            elif _opens(every, sealed):
                found.by_older += 1
            else:
                found.unreadable.append(f"{column} of row {pk}")
    return found


def rewrap() -> Outcome:
    """Seal with the newest key whatever an older one opens, and count before and after."""
    before = census()
    newest, every = _keys()
    rewrapped = 0
    for column in columns():
        for pk, sealed in _rows(column):
            if not _opens(newest, sealed):
                rewrapped += _rewrap_row(column, pk, sealed, every=every)
    return Outcome(before=before, after=census(), rewrapped=rewrapped)


def _rewrap_row(column: Column, pk: Key, sealed: str, *, every: MultiFernet) -> int:
    """Replace one ciphertext where it still stands; 1 if it was, 0 if there is nothing to do."""
    for _ in range(TRIES):
        try:
            fresh = every.rotate(sealed.encode()).decode()
        except (InvalidToken, ValueError):
            return 0
        if compare_and_set(column, pk, old=sealed, new=fresh):
            return 1
        again = _read(column, pk)
        if again is None:
            return 0
        sealed = again
    return 0


def _keys() -> tuple[MultiFernet, MultiFernet]:
    """Return the newest key alone, and all keys with the newest first."""
    keys: Sequence[Fernet] = [Fernet(key) for key in settings.FIELD_ENCRYPTION_KEY]
    return MultiFernet(keys[:1]), MultiFernet(keys)


def _opens(keys: MultiFernet, sealed: str) -> bool:
    try:
        keys.decrypt(sealed.encode())
    except (InvalidToken, ValueError):
        return False
    return True


def _rows(column: Column) -> Iterator[tuple[Key, str]]:
    """Yield key and ciphertext of every row that holds one; read at once, since we write."""
    table, key, name = _quoted(column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key}, {name} FROM {table} WHERE {name} IS NOT NULL ORDER BY {key}"  # noqa: S608  # names of our own models
        )
        rows = cursor.fetchall()
    yield from rows


def _read(column: Column, pk: Key) -> str | None:
    table, key, name = _quoted(column)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {name} FROM {table} WHERE {key} = %s", [pk])  # noqa: S608
        row = cursor.fetchone()
    return row[0] if row else None


def compare_and_set(column: Column, pk: Key, *, old: str, new: str) -> bool:
    """Write a ciphertext where the old one still stands; False where it does not."""
    table, key, name = _quoted(column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {name} = %s WHERE {key} = %s AND {name} = %s",  # noqa: S608
            [new, pk, old],
        )
        return bool(cursor.rowcount == 1)


def _quoted(column: Column) -> tuple[str, str, str]:
    quote = connection.ops.quote_name
    return quote(column.table), quote(column.key), quote(column.name)
