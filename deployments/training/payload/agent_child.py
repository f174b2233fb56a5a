"""A child process under supervision: its output kept and filtered, its end certain.

Standard library only. Each child leads a process group of its own and carries a mark in its
environment, so that all it started can be found and ended with it.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

MARK = "SLIPWAY_CHILD_OF"
EVENTS_VARIABLE = "SLIPWAY_EVENTS_FD"
LOG_LIMIT_BYTES = 256 * 1024 * 1024
LINE_LIMIT = 4000
TAIL_LINES = 60
# Progress bars: "45%|####   | 9/20 [00:01<00:02, 5.1it/s]".
_BAR = re.compile(r"\d+%\||\d\s?(?:it/s|s/it|[kMG]?B/s)\b")
_ERROR = re.compile(r"^Traceback|^\w*(?:Error|Exception)\b|\bERROR\b|^error:", re.I)
_WARNING = re.compile(r"warn", re.I)

OnLine = Callable[[str], None]
OnEvent = Callable[[Mapping[str, Any]], None]


class Child:
    """A running child. ``tail`` holds its last lines; ``status`` is set once it has ended."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        mark: str,
        on_line: OnLine,
        on_event: OnEvent,
    ) -> None:
        self.tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self.status: int | None = None
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=log.parent,
                env={**environment, MARK: mark, EVENTS_VARIABLE: str(writing)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(writing,),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        _offer_to_the_kernel(self._process.pid)
        output = self._process.stdout
        assert output is not None  # noqa: S101 (asked for above; tells the type checker)
        self._readers = [
            threading.Thread(target=self._read_output, args=(output, log, on_line), daemon=True),
            threading.Thread(target=self._read_events, args=(reading, on_event), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs; negative: the signal that ended it."""
        if self.status is None and self._has_ended():
            # Not reaped yet, so the group's number cannot have passed to strangers.
            self._signal(signal.SIGKILL)
            self.status = self._process.wait()
            for reader in self._readers:
                reader.join(timeout=5)
            if self._process.stdout is not None and not self._readers[0].is_alive():
                self._process.stdout.close()
        return self.status

    def end(self, *, after_seconds: float, first: int = signal.SIGTERM) -> int:
        """Ask it to end by signal ``first``, insist after so many seconds; return its status."""
        self._signal(first)
        limit = time.monotonic() + after_seconds
        while self.poll() is None:
            if time.monotonic() >= limit:
                self._signal(signal.SIGKILL)
            time.sleep(0.05)
        return self.status or 0

    def _has_ended(self) -> bool:
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is not None

    def _signal(self, number: int) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _read_output(self, output: Any, log: Path, on_line: OnLine) -> None:
        written, rest = 0, b""
        with log.open("ab", buffering=0) as file:
            while chunk := os.read(output.fileno(), 65536):
                if written < LOG_LIMIT_BYTES:
                    written += len(chunk)
                    _write_if_possible(file, chunk)
                *lines, rest = re.split(rb"[\r\n]", rest + chunk)
                for line in lines:
                    self._take_line(line, on_line)
                rest = rest[-LINE_LIMIT:]
        self._take_line(rest, on_line)

    def _take_line(self, raw: bytes, on_line: OnLine) -> None:
        line = raw.decode("utf-8", "replace").rstrip()[:LINE_LIMIT]
        if line and not _BAR.search(line):
            self.tail.append(line)
            on_line(line)

    def _read_events(self, reading: int, on_event: OnEvent) -> None:
        with os.fdopen(reading, "rb") as pipe:
            for line in pipe:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    self._take_event(event, on_event)

    def _take_event(self, event: Mapping[str, Any], on_event: OnEvent) -> None:
        try:
            on_event(event)
        except Exception:  # noqa: BLE001 (an odd event must not block the child on a full pipe)
            traceback.print_exc()


def _offer_to_the_kernel(pid: int) -> None:
    """Where memory runs out, let the kernel end this and not the agent, which tells of it."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("500", encoding="ascii")


def level_of(line: str) -> str:
    """Return how grave a line of output looks."""
    if _ERROR.search(line):
        return "error"
    return "warning" if _WARNING.search(line) else "info"


def end_leftovers(mark: str) -> int:
    """Kill what an agent that died has left running; return how many processes that was (I11)."""
    wanted = f"{MARK}={mark}".encode()
    ended = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                ended += 1
        except OSError:
            # Gone by now, or another user's.
            continue
    return ended


def _write_if_possible(file: Any, chunk: bytes) -> None:
    """Write, unless the disk is full: a full disk must not block the child on its output."""
    with contextlib.suppress(OSError):
        file.write(chunk)
