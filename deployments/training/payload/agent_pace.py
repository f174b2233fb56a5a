"""Whether training still moves (F44): a heart that beats proves nothing when the step stands still.

Standard library only.
"""

from __future__ import annotations

import collections
import statistics
import time
from typing import Any, Mapping

# More would follow a change of pace too slowly; fewer have no meaningful median.
STEPS_REMEMBERED = 100
# What only a program at work tells. A "pulse" comes from the batches of an evaluation.
MOVES = frozenset({"metrics", "checkpoint", "pulse", "model"})


class Pace:
    """Learns how long a step takes, and says when training has stood still for too long.

    Warns at ``least_seconds`` or ``medians`` times the median step, whichever is longer, before
    the first step at ``first_step_seconds``; at twice that, training hangs.
    """

    def __init__(
        self, *, least_seconds: float, first_step_seconds: float, medians: float = 20.0
    ) -> None:
        self.step: int | None = None
        self._least_seconds = least_seconds
        self._first_step_seconds = first_step_seconds
        self._medians = medians
        self._moved_at = self._stepped_at = time.monotonic()
        self._step_seconds: collections.deque[float] = collections.deque(maxlen=STEPS_REMEMBERED)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in what training told; called from the thread that reads its pipe."""
        now = time.monotonic()
        if event.get("kind") in MOVES:
            self._moved_at = now
        step = event.get("step")
        if not isinstance(step, int) or step == self.step:
            return
        if self.step is not None and step > self.step:
            self._step_seconds.append((now - self._stepped_at) / (step - self.step))
        self.step, self._stepped_at, self._moved_at = step, now, now

    @property
    def still_seconds(self) -> float:
        """For how long nothing has moved."""
        return time.monotonic() - self._moved_at

    @property
    def warn_after_seconds(self) -> float:
        """For how long nothing may move before it is worth a word."""
        if not self.step:
            return self._first_step_seconds
        typical = statistics.median(list(self._step_seconds)) if self._step_seconds else 0.0
        return max(self._least_seconds, self._medians * typical)

    @property
    def hangs(self) -> bool:
        """Whether training must be taken for dead."""
        return self.still_seconds >= 2 * self.warn_after_seconds
