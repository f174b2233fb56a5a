"""What the agent watches beside the run: the wishes of others, and the machine's pulse.

Standard library only.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import agent_machine
from agent_log import RunLog
from agent_silence import ControlSilence


class StopAskedError(Exception):
    """The run is to end before it is done."""


class Wishes:
    """Why a run is to end early: a stop file, its deadline, silence, or a signal to the agent."""

    def __init__(self, control: Path) -> None:
        self.stop_file = control / "stop"
        self.deadline: float | None = None
        self.silence: ControlSilence | None = None
        self.reason = ""
        self._signalled = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: Any) -> None:
        self._signalled = True

    def check(self) -> None:
        """Raise StopAskedError if the run is to end; ``reason`` keeps what came first."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        unwatched = self.silence is not None and self.silence.is_too_long()
        if not self.reason:
            if self.stop_file.exists():
                self.reason = "stop"
            elif late:
                self.reason = "deadline"
            elif unwatched:
                self.reason = "silence"
            elif self._signalled:
                self.reason = "signal"
        if self.reason:
            raise StopAskedError(self.reason)

    def pause(self, seconds: float) -> None:
        """Wait; raises StopAskedError as soon as the run is to end."""
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            self.check()


class Heart(threading.Thread):
    """Tells the machine's figures at a steady pace, from the first second to the last."""

    def __init__(self, log: RunLog, folder: Path, wishes: Wishes) -> None:
        super().__init__(daemon=True)
        self.newest: dict[str, Any] = {}
        self.interval_seconds = 15.0
        self._log = log
        self._wishes = wishes
        self._figures = agent_machine.Figures(folder)
        self._stopped = threading.Event()

    def run(self) -> None:
        while True:
            try:
                silence = self._wishes.silence
                told = silence.figures() if silence is not None else {}
                self.newest = {**self._figures.read(), **told}
                self._log.append("heartbeat", **self.newest)
            except Exception:  # noqa: BLE001 (a figure we cannot read must not stop the heart)
                traceback.print_exc()
            if self._stopped.wait(self.interval_seconds):
                return

    def stop(self) -> None:
        """End the thread before the exit event."""
        self._stopped.set()
        self.join(timeout=5)
