"""Telling the control plane of the run as it goes: the run log, pushed over HTTPS.

Standard library only. The fast path beside the sure one: the control plane reads the same file
over SSH and takes each number once. So nothing here may hold up or end the run, and nothing is
lost when nobody answers: what was not accepted still lies in run.jsonl (F41).
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Optional, Tuple

from agent_data import OPENER
from agent_log import RunLog

# The control plane takes 65,536 bytes and 500 events at once; a line has at most 60,000.
MAX_BODY_BYTES = 64_000
MAX_EVENTS = 500
ANSWER_BYTES = 65_536
TIMEOUT_SECONDS = 10.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# It knows us and wants nothing of us: asking often does not help.
REFUSALS = frozenset({400, 401, 403, 404, 405, 410})
UNREACHABLE = (OSError, ValueError, http.client.HTTPException)


class ControlPlane:
    """The two calls a machine may make, with the token that lies in a file of the run folder.

    The file is read at each call: preparing again may have put a newer token there.
    """

    def __init__(self, job_url: str, token_file: Path) -> None:
        """Take the address of the job; raises ValueError if the token would travel in the open."""
        parts = urllib.parse.urlsplit(job_url)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if parts.scheme != "https" and not local:
            raise ValueError("the control plane's address is not https")
        self._url = job_url
        self._token_file = token_file

    def send(self, batch: bytes) -> int:
        """Send a body of events and return through which number all is known there."""
        return int(self._post("/events", batch)["accepted_through"])

    def dataset_address(self) -> Tuple[str, str]:
        """Return the address of the training data and a fresh token for it (F36)."""
        told = self._post("/dataset-token", b"")
        return str(told["url"]).partition("?")[0], str(told.get("token"))

    def forget(self) -> None:
        """Take the token off the disk: the run is over."""
        try:
            self._token_file.unlink()
        except OSError:
            traceback.print_exc()

    def _post(self, name: str, body: bytes) -> dict[str, Any]:
        """Raises OSError (HTTPError among them), HTTPException or ValueError."""
        headers = {
            "Authorization": "Bearer " + self._token_file.read_text(encoding="ascii").strip(),
            "Content-Type": "application/json",
            "User-Agent": "slipway-agent",
        }
        request = urllib.request.Request(self._url + name, data=body, headers=headers)  # noqa: S310
        # Certificates are verified: that is urllib's default for https.
        with OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
            found = json.loads(answer.read(ANSWER_BYTES))
        if not isinstance(found, dict) or not {"accepted_through", "url"} & found.keys():
            raise ValueError("the answer is not what we asked for")
        return found


class Push(threading.Thread):
    """Sends what is new in the run log, from where the control plane says it is."""

    def __init__(
        self,
        log: RunLog,
        control_plane: ControlPlane,
        *,
        interval_seconds: float = 1.0,
        longest_pause_seconds: float = 60.0,
    ) -> None:
        super().__init__(daemon=True)
        self.accepted_through = 0
        self._log = log
        self.control_plane = control_plane
        self._interval_seconds = interval_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._failures = 0
        self._refused = False
        self._room = MAX_BODY_BYTES
        # Where the line after accepted_through begins, as far as we know.
        self._offset = 0
        self._finish_by: Optional[float] = None
        self._wake = threading.Event()

    def run(self) -> None:
        while True:
            pause = self._interval_seconds
            try:
                while self._send_next():
                    self._failures, self._refused = 0, False
            except UNREACHABLE as error:
                pause = self._pause_after(error)
            except Exception:  # noqa: BLE001 (whatever is wrong here is no reason to end the run)
                traceback.print_exc()
                pause = self._longest_pause_seconds
            if self._is_over():
                return
            if self._finish_by is None:
                self._wake.wait(pause)
            else:
                time.sleep(min(pause, 0.5))

    def finish(self, *, seconds: float) -> None:
        """Send the rest, for so many seconds at most; then the token is of no more use.

        The log has ended, and who reads it over SSH knows that by now.
        """
        self._finish_by = time.monotonic() + seconds
        self._wake.set()
        self.join(timeout=seconds)
        self.control_plane.forget()

    def _is_over(self) -> bool:
        if self._finish_by is None:
            return False
        told = self.accepted_through >= self._log.seq
        return told or self._refused or time.monotonic() >= self._finish_by

    def _send_next(self) -> bool:
        """Send one batch; return whether there may be more to send right now."""
        upto = self._log.seq
        if self.accepted_through >= upto:
            return False
        batch, last, end = self._read_batch(upto)
        if not batch:
            return False
        known = self.control_plane.send(b'{"events": [' + b", ".join(batch) + b"]}")
        before, self.accepted_through = self.accepted_through, known
        # It may have read further over SSH; it may miss some, or have forgotten what it knew.
        self._offset = end if known >= last else 0
        if known <= before:
            raise ValueError("the control plane takes nothing; it will read the file")
        return True

    def _read_batch(self, upto: int) -> tuple[list[bytes], int, int]:
        """Return the next lines that fit into one body, the last one's number, and its end."""
        batch: list[bytes] = []
        room, last, end = self._room, 0, self._offset
        with self._log.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                seq = _number_of(line)
                if not line.endswith(b"\n") or seq > upto or len(batch) == MAX_EVENTS:
                    break
                if seq > self.accepted_through:
                    room -= len(line) + 2
                    if room < 0 and batch:
                        break
                    batch.append(line.rstrip(b"\n"))
                    last = seq
                end += len(line)
        return batch, last, end

    def _pause_after(self, error: Exception) -> float:
        """Return how long to wait: longer each time, and never all machines at once."""
        self._failures += 1
        longest = self._longest_pause_seconds
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            self._refused = error.code in REFUSALS
            if self._refused:
                return longest
            if error.code == 413:
                self._room = max(self._room // 2, 1)
        return random.uniform(0.5, 1.0) * min(longest, 2.0 ** min(self._failures, 10))  # noqa: S311


def begin(job_url: str, log: RunLog, folder: Path, *, interval_seconds: float) -> Optional[Push]:
    """Start pushing if there is an address to push to and a token, else return None."""
    token_file = folder / "token"
    if not job_url or not token_file.exists():
        return None
    try:
        push = Push(log, ControlPlane(job_url, token_file), interval_seconds=interval_seconds)
    except ValueError:
        traceback.print_exc()
        return None
    push.start()
    return push


def _number_of(line: bytes) -> int:
    """Return the number of a line; 0 for one that is no event."""
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError, TypeError):
        return 0
