"""The run log: one numbered JSON object a line, on disk before anybody is told of it.

The control plane reads this file over SSH and takes each number once; so the numbers have no
gaps, go on after a restart, and the exit event is the last line for good.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

MAX_LINE_BYTES = 60_000  # The reader passes over lines of more than 65,536.
TEXT_LIMIT = 4000
BALLAST_BYTES = 1024 * 1024


class RunLog:
    """An append-only log; safe to use from several threads."""

    def __init__(self, path: Path, *, lines_per_second: float = 20.0, burst: float = 100.0) -> None:
        """Open the log, cutting off a half line that a crash may have left."""
        self.path = path
        self.seq = 0
        self.ended = False
        self.started_at = time.time()
        self._lock = threading.Lock()
        self._read_back()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._ballast = path.with_name("run.ballast")
        self._put_ballast()
        self._rate = lines_per_second
        self._burst = burst
        self._allowance = burst
        self._filled_at = time.monotonic()
        self._left_out = 0

    def append(self, kind: str, **fields: Any) -> bool:
        """Add one event; return False if the disk does not take it, or the log has ended."""
        with self._lock:
            return self._append(kind, fields)

    def text(self, level: str, source: str, text: str) -> None:
        """Add a log line, unless too many came within the second; those are counted."""
        with self._lock:
            if not self._may_speak():
                self._left_out += 1
                return
            if self._left_out:
                note = f"{self._left_out} lines came too fast and are only in {source}.log."
                self._left_out = 0
                self._append("log", {"level": "warning", "source": "agent", "text": note})
            self._append("log", {"level": level, "source": source, "text": text[:TEXT_LIMIT]})

    def end(self, *, tries: int = 60, pause_seconds: float = 1.0, **fields: Any) -> None:
        """Add the exit event, after which the log takes nothing more; a full disk is waited for."""
        for _ in range(tries):
            with self._lock:
                if self.ended or self._append("exit", fields):
                    self.ended = True
                    self._ballast.unlink(missing_ok=True)
                    return
            time.sleep(pause_seconds)

    def _append(self, kind: str, fields: dict[str, Any]) -> bool:
        if self.ended:
            return False
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        event = {"seq": self.seq + 1, "time": now, "kind": kind, **finite(fields)}
        line = json.dumps(event, allow_nan=False) + "\n"
        if len(line) > MAX_LINE_BYTES:
            short = {name: value for name, value in event.items() if not isinstance(value, list)}
            line = json.dumps(_cut(short), allow_nan=False) + "\n"
        written = self._write(line.encode()) or self._write_after_ballast(line.encode())
        self.seq += written
        return written

    def _write(self, line: bytes) -> bool:
        size = os.fstat(self._file).st_size
        try:
            whole = os.write(self._file, line) == len(line)
            os.fsync(self._file)
        except OSError as error:
            print(f"run log: {error}", file=sys.stderr, flush=True)
            whole = False
        if not whole:
            os.ftruncate(self._file, size)
        return whole

    def _write_after_ballast(self, line: bytes) -> bool:
        """F35: a full disk must not silence us, so we kept some bytes to give back."""
        if not self._ballast.exists():
            return False
        self._ballast.unlink(missing_ok=True)
        return self._write(line)

    def _put_ballast(self) -> None:
        try:
            self._ballast.write_bytes(b"\0" * BALLAST_BYTES)
        except OSError as error:
            print(f"run log ballast: {error}", file=sys.stderr, flush=True)

    def _may_speak(self) -> bool:
        now = time.monotonic()
        gained = (now - self._filled_at) * self._rate
        self._filled_at = now
        self._allowance = min(self._burst, self._allowance + gained)
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _read_back(self) -> None:
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
        for number, event in enumerate(events_of(content[:whole])):
            self.seq = max(self.seq, int(event["seq"]))
            if number == 0:
                self.started_at = _seconds(str(event.get("time")))
            self.ended = self.ended or event.get("kind") == "exit"


def events_of(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of complete lines."""
    for line in content.split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("seq"), int):
            yield event


def finite(value: Any) -> Any:
    """Return the value with every number that JSON has no word for as None (F42)."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def _cut(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value[:2000] if isinstance(value, str) else value
        for name, value in event.items()
        if not isinstance(value, dict) or len(json.dumps(value)) < MAX_LINE_BYTES // 2
    }


def _seconds(stamp: str) -> float:
    try:
        return datetime.datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return time.time()
