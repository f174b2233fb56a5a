"""What is asked of a user's own machine: who has it, what it is, take it for one run, let go of it.

Runs there, by its python3 (3.9 or newer), with the standard library alone; it comes through
standard input and answers one line of JSON. That the machine is taken stands in a file of its own
disk, so it outlives every process, connection and restart, there and here.

    python3 - who
    python3 - look
    python3 - take NAME
    python3 - release NAME
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator  # noqa: UP035 (Python 3.9)

# In the login home, where the runs' folders are as well (job_file.run_folder).
SLIPWAY = Path("slipway")
TAKEN = SLIPWAY / ".taken"
ENDED = SLIPWAY / ".ended"
# What the agent marks its children with (payload/agent_child.py).
MARK = "SLIPWAY_CHILD_OF"
LOCK_SECONDS = 5.0
KILL_SECONDS = 6.0
GIB = 1024**3


@contextmanager
def alone() -> Iterator[None]:
    """Keep others from taking or releasing meanwhile; the kernel lets go when we die."""
    SLIPWAY.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(SLIPWAY / ".taken.lock", os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def holder() -> str:
    """Return the name of the run that has the machine, "" when it is free."""
    try:
        return TAKEN.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def take(name: str) -> dict[str, Any]:
    """Take the machine for a run unless another has it; asking again is harmless."""
    with alone():
        held = holder()
        if not held:
            _write_for_good(TAKEN, name + "\n")
            held = name
    if held == name:
        _remove_in_the_background()
    return {"held": held}


def release(name: str) -> dict[str, Any]:
    """End a run's processes, remove its folder, and let the machine go if that run had it."""
    folder = SLIPWAY / name
    left = _end_processes(folder.resolve())
    if left:
        return {"held": holder(), "left": left}
    with alone():
        if folder.exists():
            ENDED.mkdir(mode=0o700, exist_ok=True)
            folder.rename(ENDED / f"{name}.{time.time_ns()}")
        if holder() == name:
            TAKEN.unlink()
        held = holder()
    _remove_in_the_background()
    return {"held": held, "left": 0}


def who() -> dict[str, Any]:
    """Return who has the machine: asked every few seconds, so nothing else is looked at."""
    return {"held": holder()}


def look() -> dict[str, Any]:
    """Return who has the machine and what it is."""
    return {
        "held": holder(),
        "gpus": _gpus(),
        "cpus": os.cpu_count() or 0,
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // GIB,
        "disk_gib": shutil.disk_usage(".").free // GIB,
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def _gpus() -> list[dict[str, Any]]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=6, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        name, _, memory = line.rpartition(",")
        with suppress(ValueError):
            found.append({"name": name.strip(), "memory_mib": int(memory)})
    return found


def _write_for_good(path: Path, text: str) -> None:
    """Write a file so that it is there whole, even after the power fails."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _end_processes(folder: Path) -> int:
    """Kill the run's agent and all that it started; return how many are still there."""
    give_up = time.monotonic() + KILL_SECONDS
    while True:
        living = [pid for pid in _pids() if _is_of(folder, pid)]
        if not living or time.monotonic() >= give_up:
            return len(living)
        for pid in living:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _is_of(folder: Path, pid: int) -> bool:
    """Say whether a process is the run's: its agent, or one with the agent's mark."""
    process = Path("/proc") / str(pid)
    try:
        if f"{MARK}={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
            return True
        is_agent = b"agent.py" in (process / "cmdline").read_bytes().split(b"\0")
        return is_agent and (process / "cwd").readlink() == folder
    except OSError:
        # Gone by now, or another user's.
        return False


def _remove_in_the_background() -> None:
    """A base model takes longer to remove than anybody waits."""
    if ENDED.exists():
        subprocess.Popen(  # noqa: S603
            ["/bin/rm", "-rf", "--", str(ENDED.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def main(arguments: list[str]) -> None:
    """Do what is asked and print the answer."""
    does: dict[str, Callable[..., dict[str, Any]]] = {
        "who": who,
        "look": look,
        "take": take,
        "release": release,
    }
    sys.stdout.write(json.dumps(does[arguments[0]](*arguments[1:])) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
