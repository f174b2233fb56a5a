"""What the kernel knows of a program's end: killed for memory, or a GPU that failed (F46).

Standard library only. Sources: proc(5) for /proc/vmstat, the kernel's cgroup-v2 guide for
memory.events; the forms of the log's lines as they stand in many public reports.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Tuple

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
# Ordinary users may not read the kernel's log on Ubuntu; a rented machine's user may use sudo.
COMMANDS = (("dmesg",), ("sudo", "-n", "dmesg"))
MAX_LINES = 20
_LINE = re.compile(r"\[\s*(\d+\.\d+)\]\s(.*)")
_TELLING = re.compile(
    r"Out of memory|out of memory: Killed|oom-kill:|NVRM: |segfault at|traps: |general protection"
    r"|Hardware Error|EXT4-fs error|I/O error",
)
_XID = re.compile(r"NVRM: Xid \([^)]*\): (\d+)")
_FALLEN_OFF = re.compile(r"NVRM: .*fallen off the bus")
# What a program can do to itself; nearly all others speak of the card, its memory or its links.
# Source: NVIDIA's Xid catalog, those whose resolution is to restart or check the application, and
# those that only report (63, 92, 94: an error that was put right or contained).
PROGRAM_XIDS = frozenset({8, 11, 13, 31, 32, 43, 45, 63, 69, 92})


@dataclass(frozen=True)
class KernelNews:
    """What the kernel has said since a program was started."""

    killed_for_memory: bool = False
    lines: Tuple[str, ...] = ()

    @property
    def hardware_fault(self) -> str:
        """The line that says that a GPU failed, not the program that used it; "" if none does."""
        for line in self.lines:
            found = _XID.search(line)
            if found is not None and int(found.group(1)) not in PROGRAM_XIDS:
                return line
            if _FALLEN_OFF.search(line):
                return line
        return ""

    @property
    def memory_line(self) -> str:
        """The line that tells which process was killed for memory; "" if none does."""
        killed = [line for line in self.lines if "Killed process" in line]
        return killed[-1] if killed else ""


class Kernel:
    """Remembers where the kernel's log and its count of killings stand now."""

    def __init__(self) -> None:
        self._kills = _oom_kills()
        told = _log_lines()
        self._from = told[-1][0] if told else -1.0

    def news(self) -> KernelNews:
        """Return what came since."""
        new = [text for moment, text in _log_lines() if moment > self._from]
        telling = tuple(text[:500] for text in new if _TELLING.search(text))[-MAX_LINES:]
        return KernelNews(_oom_kills() > self._kills, telling)


def _log_lines() -> list[tuple[float, str]]:
    """Return the kernel's log, each line with its seconds since boot; empty where it is closed."""
    for command in COMMANDS:
        try:
            done = subprocess.run(  # noqa: S603
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=10,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if done.returncode == 0:
            found = (_LINE.match(line) for line in done.stdout.splitlines())
            return [(float(each.group(1)), each.group(2)) for each in found if each]
    return []


def _oom_kills() -> int:
    """Return how many processes were killed for memory: of our cgroup, else of the machine."""
    counts = _cgroup_kills()
    return counts if counts is not None else _count_in(PROC / "vmstat") or 0


def _cgroup_kills() -> int | None:
    """Look in our cgroup, or the nearest above it that counts memory."""
    try:
        lines = (PROC / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    if path is None:
        return None
    folder = CGROUPS / path.lstrip("/")
    for each in (folder, *folder.parents):
        if each != CGROUPS and CGROUPS not in each.parents:
            return None
        count = _count_in(each / "memory.events")
        if count is not None:
            return count
    return None


def _count_in(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts and counts[0].isdigit() else None
