"""Finding and ending every process of one machine.

Each carries the machine's id in its environment from its first moment on. A process group would
not do: what was started with ``setsid`` has left it, as a training run does on purpose.
"""

import asyncio
import os
import signal
from pathlib import Path

MARKER = "SANDBOX_MACHINE"
# A process in the middle of an exec shows an empty environment for a moment, so one empty look
# proves nothing.
EMPTY_LOOKS_NEEDED = 2
PAUSE_SECONDS = 0.02


def processes_of(machine_id: str) -> list[int]:
    """Return the ids of the machine's running processes."""
    return [pid for pid in _all_pids() if _carries_marker(pid, machine_id)]


async def end_processes(machine_id: str) -> None:
    """Kill until two looks in a row find none left."""
    empty_looks = 0
    while empty_looks < EMPTY_LOOKS_NEEDED:
        pids = processes_of(machine_id)
        for pid in pids:
            _kill(pid, machine_id)
        empty_looks = 0 if pids else empty_looks + 1
        await asyncio.sleep(PAUSE_SECONDS)


def _kill(pid: int, machine_id: str) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Looked at again through the descriptor's process: the id may have passed to another.
        if _carries_marker(pid, machine_id):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _carries_marker(pid: int, machine_id: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        # Gone by now, or another user's, which no machine's process is.
        return False
    return f"{MARKER}={machine_id}".encode() in environment.split(b"\0")
