"""Finding a secret wherever a run may have left it: the forms it takes, and the places to look.

I17: plain, base64 at each of the three alignments, URL-quoted, and in pieces of eight characters.
"""

import base64
import contextlib
import hashlib
import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus

import psutil

PIECE = 8
# Pieces at each second character: whoever gives away nine characters in a row is found.
STRIDE = 2
# What every private key in OpenSSH's form begins with; public keys do not.
ANY_PRIVATE_KEY = base64.b64encode(b"openssh-key-v1\0")[:19]
# Random text of 256 bits, as our tokens are.
TOKEN = re.compile(rb"(?<![\w-])(?:slw_|ftj_)?([\w-]{43})(?![\w-])")
OF_A_MACHINE = b"SANDBOX_MACHINE="


def forms(secret: str) -> set[bytes]:
    """Return what to look for so as to find the secret, whole or in pieces."""
    raw = secret.encode()
    body = raw.removeprefix(b"slw_").removeprefix(b"ftj_")
    pieces = {body[at : at + PIECE] for at in range(0, len(body) - PIECE + 1, STRIDE)}
    quoted = {quote(secret, safe="").encode(), quote_plus(secret).encode(), quote(secret).encode()}
    return {raw, *quoted, *pieces, *_in_base64(raw)}


def forms_of_private_key(text: str) -> set[bytes]:
    """Return the forms of what is secret in an OpenSSH private key: its last third."""
    lines = text.strip().splitlines()[1:-1]
    inner = "".join(lines)
    tail = inner[len(inner) // 2 : -24]
    found = {tail[at : at + 16].encode() for at in range(0, len(tail) - 15, 4)}
    return {*found, lines[-2].encode(), *_in_base64(lines[-2].encode())}


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Yield the base64 of the text whatever stands before it, without its unsure ends."""
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + raw)[shift + 1 : -4]
        yield coded
        yield coded.translate(bytes.maketrans(b"+/", b"-_"))


def columns(database: Path, *, sealed: set[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """Yield every column that is not sealed as one text, packed values unpacked as well."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (table,) in connection.execute(names).fetchall():
            rows = connection.execute(f'SELECT * FROM "{table.decode()}"')  # noqa: S608
            heads = [head[0] for head in rows.description]
            found: dict[str, list[bytes]] = {head: [] for head in heads}
            for row in rows:
                for head, value in zip(heads, row, strict=True):
                    text = value if isinstance(value, bytes) else str(value).encode()
                    found[head] += [text, *unpacked(text)]
            for head, texts in found.items():
                if (table.decode(), head) not in sealed:
                    yield f"column {table.decode()}.{head}", b"\n".join(texts)


def unpacked(text: bytes) -> Iterator[bytes]:
    """Yield what django-q2 packed: base64, perhaps compressed, perhaps signed."""
    part = text.split(b":")[0]
    compressed = part.startswith(b".")
    part = part.removeprefix(b".")
    if len(part) < 24 or not re.fullmatch(rb"[\w+/=\n-]+", part):
        return
    with contextlib.suppress(ValueError, zlib.error):
        padded = part.rstrip(b"=") + b"=" * (-len(part.rstrip(b"=")) % 4)
        raw = base64.b64decode(padded.translate(bytes.maketrans(b"-_", b"+/")))
        yield zlib.decompress(raw) if compressed else raw


def tokens_in(text: bytes, *, hashes: set[str]) -> set[bytes]:
    """Return what in a text is a token whose hash is in the database."""
    found = {whole[0] for whole in TOKEN.finditer(text)} | set(TOKEN.findall(text))
    return {token for token in found if hashlib.sha256(token).hexdigest() in hashes}


class Watch(threading.Thread):
    """Looks again and again, while it is entered, at what a run shows only for a while.

    ``seen`` holds texts by where they were: command lines of all processes, environments of the
    machines' processes, queue payloads, and the files of run folders. ``tokens`` are those that
    lay in the file made for them.
    """

    def __init__(self, *, machines: Path, database: Path) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, set[bytes]] = {}
        self.tokens: set[str] = set()
        self.token_modes: set[int] = set()
        self._machines = machines
        self._database = database
        self._over = threading.Event()

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        files_at = 0.0
        while not self._over.wait(0.01):
            self._look_at_processes()
            self._look_at_queue()
            if time.monotonic() - files_at > 0.3:
                self._look_at_files()
                files_at = time.monotonic()

    def _note(self, where: str, text: bytes) -> None:
        self.seen.setdefault(where, set()).add(text)

    def _look_at_processes(self) -> None:
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                self._note("process list", Path(f"/proc/{pid}/cmdline").read_bytes())
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                if OF_A_MACHINE in environment:
                    self._note("environment of a machine's process", environment)

    def _look_at_queue(self) -> None:
        try:
            with contextlib.closing(sqlite3.connect(self._database, timeout=1)) as connection:
                rows = connection.execute("SELECT payload FROM django_q_ormq").fetchall()
        except sqlite3.Error:
            return
        for (payload,) in rows:
            text = payload.encode()
            for part in (text, *unpacked(text)):
                self._note("queue payload", part)

    def _look_at_files(self) -> None:
        for path in self._machines.glob("**/slipway/*/**/*"):
            if path.suffix == ".safetensors" or "base_model" in path.parts:
                continue
            with contextlib.suppress(OSError):
                text = path.read_bytes()
                if path.name == "token":
                    self.tokens.add(text.decode())
                    self.token_modes.add(path.stat().st_mode & 0o777)
                else:
                    # The newest is enough: logs only grow.
                    self.seen[f"file on the machine {path.name}"] = {text}


def leaks(
    places: Iterable[tuple[str, bytes]], secrets: dict[str, set[bytes]]
) -> list[tuple[str, str, bytes]]:
    """Return (secret, place, what was found) for whatever shows."""
    return [
        (name, where, form)
        for where, text in places
        for name, wanted in secrets.items()
        for form in sorted(wanted, key=len, reverse=True)
        if form in text
    ]
