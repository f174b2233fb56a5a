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


def processes_by_machine() -> dict[str, list[int]]:
    """Return the ids of all running processes that carry a marker, by the machine's id."""
    found: dict[str, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (machine_id := _marker(int(entry.name))) is not None:
            found.setdefault(machine_id, []).append(int(entry.name))
    return found


async def end_processes(machine_id: str) -> None:
    """Kill until two looks in a row find none left."""
    empty_looks = 0
    while empty_looks < EMPTY_LOOKS_NEEDED:
        pids = processes_by_machine().get(machine_id, [])
        for pid in pids:
            send_signal(pid, signal.SIGKILL, machine_id=machine_id)
        empty_looks = 0 if pids else empty_looks + 1
        await asyncio.sleep(PAUSE_SECONDS)


def process_with(machine_id: str, *, argument: str) -> int | None:
    """Return the id of a process of the machine that has this argument."""
    pids = processes_by_machine().get(machine_id, [])
    return next((pid for pid in pids if argument in _arguments(pid)), None)


def send_signal(pid: int, number: signal.Signals, *, machine_id: str) -> None:
    """Send a signal to a process, if it is still the machine's."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Looked at again through the descriptor's process: the id may have passed to another.
        if _marker(pid) == machine_id:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _marker(pid: int) -> str | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        # Gone by now, or another user's, which no machine's process is.
        return None
    for variable in environment.split(b"\0"):
        name, _, value = variable.partition(b"=")
        if name == MARKER.encode():
            return value.decode(errors="replace")
    return None
