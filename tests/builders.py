"""One plain function per model, with defaults that are valid; a test says only what it is about."""

import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User

from core import tokens
from datasets.models import Dataset
from datasets.services import create_dataset
from secrets_vault.kinds import kind_of, register_kind
from secrets_vault.models import VaultEntry
from secrets_vault.services import add_entry

PROVIDER = "lambda"
SECRET = "secret_slipway-test_0123456789abcdef.q7R2t9XzK4mW8pLd"

_numbers = itertools.count(1)


def make_user(username: str | None = None, **fields: Any) -> User:
    """Make a user who can sign in by ``force_login`` only; a password hash takes too long."""
    return User.objects.create_user(username or f"user{next(_numbers)}", **fields)


def make_vault_entry(
    user: User | None = None, *, provider: str = PROVIDER, secret: str = SECRET, label: str = ""
) -> VaultEntry:
    """Seal a key; a provider that nobody registered is registered without a check."""
    if kind_of(provider) is None:
        register_kind(provider, provider.capitalize())
    return add_entry(user or make_user(), provider=provider, secret=secret, label=label)


def make_token(
    user: User | None = None, *, scopes: Sequence[str] = tokens.DEFAULT_SCOPES, **fields: Any
) -> str:
    """Make an API token and return its text, for ``Authorization: Bearer``."""
    _, plaintext = tokens.create_token(
        user or make_user(), name=fields.pop("name", "test"), scopes=scopes, **fields
    )
    return plaintext


def chat_rows(count: int = 12) -> list[dict[str, Any]]:
    """Return rows of chat messages, no two alike."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"What is {number} plus {number}?"},
                {"role": "assistant", "content": f"It is {number + number}."},
            ]
        }
        for number in range(1, count + 1)
    ]


def json_lines(rows: Iterable[object]) -> bytes:
    """Return the rows as a file of JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def make_dataset(
    user: User | None = None,
    *,
    content: bytes | None = None,
    name: str = "sums",
    mapping: Mapping[str, str] | None = None,
) -> Dataset:
    """Upload a file; without ``content`` twelve good rows of chat messages."""
    file = io.BytesIO(json_lines(chat_rows()) if content is None else content)
    return create_dataset(user or make_user(), file=file, name=name, mapping=mapping)
