"""I17: no piece of a secret in any row, log line or file that is not made to hold it."""

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from tests.deployments.virtual import rows

PIECE = 8
# Sealed columns hold Fernet tokens, in which no plain piece may occur either: nothing is left out.


def pieces(secret: str) -> Iterator[str]:
    """Yield what of a secret must occur nowhere: itself by eights, in base64, url-encoded."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    for form in {secret, encoded, quote(secret, safe="")}:
        for start in range(max(1, len(form) - PIECE + 1)):
            yield form[start : start + PIECE]


def private_lines(private_key: str, public_key: str) -> Iterator[str]:
    """Yield the lines of an OpenSSH private key that its public key does not give away."""
    lines = [line for line in private_key.splitlines() if "-----" not in line]
    # The first hold the format and the public key, in the clear.
    yield from (line for line in lines[2:] if len(line) >= PIECE and line not in public_key)


def check_nowhere(secret_pieces: Iterable[str], texts: Iterable[str]) -> None:
    """I17: fail when one of the pieces occurs in one of the texts."""
    searched = re.compile("|".join(re.escape(piece) for piece in set(secret_pieces)))
    for text in texts:
        found = searched.search(text)
        # The piece itself stays untold: it would be in the log of the tests.
        assert found is None, f"I17: a piece of a secret in ...{text[: found.start()][-80:]}"


def all_rows() -> Iterator[str]:
    """Yield each table's rows as one text."""
    for table in rows.tables():
        found = rows.select(f'SELECT * FROM "{table}"')  # noqa: S608  # our own names
        if found:
            yield f"{table}: {found}"
