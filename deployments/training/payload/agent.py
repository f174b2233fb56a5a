"""The agent: takes a run from an empty machine to an adapter, and tells of it in the run log.

Runs on the machine with the system's python3 (3.9 or newer) and nothing but the standard library.
It is started once by ``commands.start_agent`` in the run folder, where job.json says what to do;
``control/stop`` and ``control/save`` are how it is asked things later, and when ``control/seen``
has not been touched for long, nobody watches and it stops by itself. However it goes, the last
line of run.jsonl is one exit event: the agent never dies without a word.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import time
from pathlib import Path

from agent_child import end_leftovers
from agent_clock import RunClock
from agent_end import conclude
from agent_log import RunLog
from agent_run import Run
from agent_watch import Heart, Wishes


def take_lock(folder: Path) -> bool:
    """Become the only agent of this folder for as long as we live (I11); False: there is one."""
    lock = folder / "lock"
    lock.mkdir(exist_ok=True)
    descriptor = os.open(lock / "held", os.O_RDWR | os.O_CREAT, 0o600)
    if not _is_locked(descriptor):
        return False
    part = lock / "pid.part"
    part.write_text(f"{os.getpid()}\n", encoding="ascii")
    part.replace(lock / "pid")
    return True


def _is_locked(descriptor: int) -> bool:
    """Lock it; an agent that was killed a moment ago may hold it until its last thread is gone."""
    for _ in range(20):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def main() -> int:
    """Run the job of the folder this file lies in."""
    folder = Path(__file__).resolve().parent
    os.umask(0o077)
    os.chdir(folder)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Nobody will look at a core file, and it would be as large as the model.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not take_lock(folder):
        return 0
    clock = RunClock(folder / "lock")
    wishes = Wishes(folder / "control")
    log = RunLog(folder / "run.jsonl")
    if log.ended:
        return 0
    if log.seq:
        ended = end_leftovers(str(folder))
        text = f"The agent was started again; it ended {ended} processes that were left."
        log.append("log", level="warning", source="agent", text=text)
    heart = Heart(log, folder, wishes)
    heart.start()
    run = Run(folder, log, clock=clock, wishes=wishes, heart=heart)
    fields = conclude(run)
    heart.stop()
    if (folder / "manifest.json").exists() or fields["outcome"] == "completed":
        log.append("phase", phase="finished", detail="")
    log.end(**fields)
    if run.push is not None:
        run.push.finish(seconds=float(run.limits["last_push_seconds"]))
    return 0 if fields["outcome"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
