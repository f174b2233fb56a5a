"""Since when this run runs, by a clock that nobody sets (F78), and whether the machine rebooted.

Standard library only. The clock of the kernel counts from the boot, so a boot is noted with it.
"""

from __future__ import annotations

import time
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RunClock:
    """The time of a run from its first agent's start, in ``lock/boot`` and ``lock/started``."""

    def __init__(self, lock: Path) -> None:
        """Note the start, unless an agent before this one has; ``lock/boot`` may be the shell's."""
        self._boot, self._started = lock / "boot", lock / "started"
        if not _read(self._boot):
            self._boot.write_text(_read(BOOT_ID) + "\n", encoding="ascii")
        if not _read(self._started):
            self._started.write_text(f"{time.monotonic()}\n", encoding="ascii")

    @property
    def rebooted(self) -> bool:
        """Whether this is another boot of the machine than the one the run began in (F52)."""
        return _read(self._boot) != _read(BOOT_ID)

    def used_seconds(self) -> float:
        """Return for how long the run has run; a restart of the agent does not begin anew (F54)."""
        try:
            return max(0.0, time.monotonic() - float(_read(self._started)))
        except ValueError:
            return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
