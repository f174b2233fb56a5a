"""The training data: fetched from the control plane where it can be reached, else asked for.

Standard library only. What is trained on is what its sha256 names, or nothing (F37, I14).
"""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, Mapping, Tuple

from agent_failures import RunFailedError

CHUNK_BYTES = 256 * 1024
READ_TIMEOUT_SECONDS = 20
LONGEST_PAUSE_SECONDS = 15.0
# Asking the same address again cannot help: its token is used up, or the data is gone.
FINAL_ANSWERS = frozenset({400, 401, 403, 404, 405, 410})

# The address and the token for it.
Address = Callable[[], Tuple[str, str]]
Pause = Callable[[float], None]
Tell = Callable[[str, str], None]


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry a token to wherever it points (T7)."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirects)


class RefusedError(Exception):
    """The control plane answers, but does not give us the data."""


class Download:
    """One download into ``part``, going on after each cut where it ended (F36)."""

    def __init__(self, address: Address, part: Path, *, size: int) -> None:
        self.address = address
        self.part = part
        self.size = size
        self._url, self._token = "", ""
        self._tag = ""

    def renew(self) -> None:
        """Ask for another address before going on."""
        self._url = ""

    @property
    def have(self) -> int:
        """How many bytes are here."""
        return self.part.stat().st_size if self.part.exists() else 0

    def go_on(self) -> bool:
        """Ask for what is missing and return whether all is here; raises OSError, HTTPException."""
        have = self.have
        if have > self.size:
            self.part.unlink()
            have = 0
        if have == self.size > 0:
            return True
        if not self._url:
            self._url, self._token = self._fresh_address()
        # In a header: an address is written into logs on its way (T5).
        headers = {"User-Agent": "slipway-agent", "Authorization": f"Bearer {self._token}"}
        if have and self._tag:
            headers.update({"Range": f"bytes={have}-", "If-Range": self._tag})
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310
        with self._open(request) as answer:
            self._tag = answer.headers.get("ETag") or ""
            goes_on = answer.status == 206 and _starts_at(answer.headers, have)
            with self.part.open("ab" if goes_on else "wb") as file:
                self._copy(answer, file, room=self.size - (have if goes_on else 0))
        return self.have == self.size

    def _fresh_address(self) -> Tuple[str, str]:
        try:
            return self.address()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in FINAL_ANSWERS:
                raise RefusedError(f"it answered {error.code} when asked for an address") from None
            raise
        except ValueError:
            raise RefusedError("it gave no address") from None

    def _open(self, request: urllib.request.Request) -> Any:
        try:
            return OPENER.open(request, timeout=READ_TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            if error.code in FINAL_ANSWERS:
                raise RefusedError(f"it answered {error.code}") from None
            raise

    def _copy(self, answer: Any, file: Any, *, room: int) -> None:
        while chunk := answer.read(min(CHUNK_BYTES, room + 1)):
            room -= len(chunk)
            if room < 0:
                raise RefusedError("it sends more bytes than the data set has")
            file.write(chunk)


def _starts_at(headers: Any, have: int) -> bool:
    return str(headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def obtain(
    dataset: Mapping[str, Any],
    target: Path,
    *,
    address: Address | None,
    patience_seconds: float,
    pause: Pause,
    ask: Callable[[], None],
    tell: Tell,
) -> None:
    """Leave the data set at ``target``, checked; raises RunFailedError (E_DATA_CHANGED).

    ``address`` asks the control plane for an address and a token for two hours; None: it cannot
    be reached from here. ``ask`` asks it to bring the data by SFTP; the file appears under its
    name when whole. ``pause`` waits, and raises when the run is to stop.
    """
    if not target.exists() and address is not None:
        _download(
            address, dataset, target, patience_seconds=patience_seconds, pause=pause, tell=tell
        )
    if not target.exists():
        ask()
        while not target.exists():
            pause(0.5)
    if sha256_of(target) != dataset.get("sha256"):
        raise RunFailedError(
            "E_DATA_CHANGED",
            "The training data that reached the machine is not the data that was chosen: its "
            "sha256 differs.",
            remedy="Upload the data set again and start a new run.",
        )


def _download(
    address: Address,
    dataset: Mapping[str, Any],
    target: Path,
    *,
    patience_seconds: float,
    pause: Pause,
    tell: Tell,
) -> None:
    """Download to ``target``; give up after so many seconds without a new byte, or when refused.

    A refused address has expired, as a rule: another is asked for, once for each stretch of new
    bytes (F36).
    """
    part = target.with_name(target.name + ".download")
    download = Download(address, part, size=int(dataset.get("size_bytes") or 0))
    wait, moved_at, most, redone, renewed_at = 0.5, time.monotonic(), 0, False, -1
    while True:
        try:
            whole = download.go_on()
            problem = "the connection ended early"
        except RefusedError as error:
            if renewed_at == download.have:
                tell("warning", f"The control plane does not give us the data: {error}.")
                return
            renewed_at, whole, problem = download.have, False, str(error)
            download.renew()
        except (OSError, http.client.HTTPException) as error:
            whole, problem = False, str(error)[:200] or type(error).__name__
        if whole and sha256_of(part) == dataset.get("sha256"):
            part.replace(target)
            return
        if whole:
            part.unlink()
            if redone:
                tell("warning", "What the control plane sends is twice not the chosen data.")
                return
            redone = True
        if download.have > most:
            most, moved_at, wait = download.have, time.monotonic(), 0.5
        if time.monotonic() - moved_at + wait > patience_seconds:
            tell("warning", f"The control plane cannot be reached from here: {problem}.")
            return
        pause(wait)
        wait = min(wait * 2, LONGEST_PAUSE_SECONDS)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as read back from disk."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()
