"""The dead-man's clock: how long nobody has looked at this run (F43 from the machine's side).

Standard library only. While a control plane is there it touches ``control/seen`` at each look over
SSH, or takes what we push. When neither has happened for long, nobody watches the money, and the
run ends while it can still save.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, Optional, Tuple

# A machine that itself stood still saw no sign in that time, and blames nobody for it.
MOST_BETWEEN_CHECKS_SECONDS = 30.0
Sign = Tuple[Optional[Tuple[int, int, int]], int]


class ControlSilence:
    """Counts the silence of the control plane, by this machine's monotonic clock alone.

    A sign of life is a change: another ``control/seen``, or a push that was accepted further.
    What time either of us believes it to be does not matter (F78).
    """

    def __init__(
        self,
        control: Path,
        *,
        limit_seconds: float,
        accepted_through: Callable[[], int],
    ) -> None:
        """Start counting now; a limit of 0 never ends a run."""
        self.limit_seconds = limit_seconds
        self.seconds = 0.0
        self._seen_file = control / "seen"
        self._accepted_through = accepted_through
        self._checked_at = time.monotonic()
        self._sign = self._newest_sign()

    def is_too_long(self) -> bool:
        """Look for a sign; return whether there was none for longer than the limit."""
        now = time.monotonic()
        passed, self._checked_at = now - self._checked_at, now
        sign = self._newest_sign()
        if sign == self._sign:
            self.seconds += min(passed, MOST_BETWEEN_CHECKS_SECONDS)
        else:
            self._sign, self.seconds = sign, 0.0
        return 0 < self.limit_seconds <= self.seconds

    def figures(self) -> dict[str, float]:
        """Return what the heartbeat tells of it; nothing when it is off."""
        if self.limit_seconds <= 0:
            return {}
        return {
            "control_silent_seconds": round(self.seconds, 1),
            "control_silence_limit_seconds": self.limit_seconds,
        }

    def _newest_sign(self) -> Sign:
        try:
            found = self._seen_file.stat()
        except OSError:
            return None, self._accepted_through()
        return (found.st_ino, found.st_mtime_ns, found.st_size), self._accepted_through()
