"""SIGKILL at random moments: a seed draws when, and what kind of process; each kill is printed."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import psutil

from tests.fire.restarts import Target, targets

# What is drawn first, by weight; then one of its processes.
WEIGHTS = {"web": 2, "supervisor": 2, "queue": 5, "everything": 1}
PAUSE_SECONDS = (0.5, 15.0)


class Killer(threading.Thread):
    """Kills as long as it is entered and ``allowed`` is above ``done``."""

    def __init__(self, *, seed: int, told: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self.allowed = 0
        self.done = 0
        self.roles: Counter[str] = Counter()
        self._seen: set[psutil.Process] = set()
        self._random = random.Random(seed)  # noqa: S311
        self._told = told
        self._over = threading.Event()

    def __enter__(self) -> "Killer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def left_alive(self) -> list[psutil.Process]:
        """Return which of all the processes that were seen live still."""
        return [process for process in self._seen if process.is_running()]

    def run(self) -> None:
        while not self._over.wait(self._random.uniform(*PAUSE_SECONDS)):
            while self.done >= self.allowed and not self._over.wait(0.1):
                pass
            if not self._over.is_set():
                self._kill()

    def _kill(self) -> None:
        (group,) = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        place = self._random.random()
        found = targets()
        self._seen.update(target.process for target in found)
        fitting = [target for target in found if _fits(target, group)]
        if not fitting:
            # It was killed a moment ago and is not up again: the next draw will find it.
            return
        chosen = fitting if group == "everything" else [fitting[int(place * len(fitting))]]
        statuses = self._told()
        for target in chosen:
            _end(target.process)
        role = "everything" if group == "everything" else chosen[0].role
        self.done += 1
        self.roles[role] += 1
        pids = ", ".join(str(target.process.pid) for target in chosen)
        print(
            f"{time.strftime('%H:%M:%S')} kill {self.done}: {role} ({pids}) at {statuses}",
            flush=True,
        )


def _fits(target: Target, group: str) -> bool:
    return group == "everything" or target.role.startswith(group)


def _end(process: psutil.Process) -> None:
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
