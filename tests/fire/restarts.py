"""The processes of a local stack by what they are, and somebody who starts again what ended."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from deployments.management.local_stack import LocalStack, StackError

# As systemd does after Restart=always, only sooner than the RestartSec of our units.
RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class Target:
    """One process that may be killed."""

    process: psutil.Process
    role: str


def targets() -> list[Target]:
    """Return every process of web and worker that runs below this one, by its role."""
    found: list[Target] = []
    for child in psutil.Process().children():
        title = _title(child)
        if "gunicorn" in title:
            found.append(Target(child, "web"))
            found += [Target(each, "web worker") for each in _below(child)]
        elif title.endswith("manage.py worker"):
            found.append(Target(child, "supervisor"))
            mains = [each.pid for each in _children(child)]
            for each in _below(child):
                found.append(Target(each, "queue main" if each.pid in mains else _part(each)))
    return found


def _part(process: psutil.Process) -> str:
    """Return which part of a queue's cluster this is; django-q2 writes it into the title."""
    word = _title(process).rpartition(" ")[2]
    if word in ("idle", "busy", "monitor", "pusher"):
        return f"queue {word}"
    return "queue guard" if "MainProcess" in _title(process) else "queue busy"


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.Error:
        return []


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


class Restarts:
    """Starts web and worker again a second after they ended, for as long as it is entered."""

    def __init__(self, stack: LocalStack) -> None:
        self.counts = {"web": 0, "worker": 0}
        self._over = threading.Event()
        starters = {"web": stack.start_web, "worker": stack.start_worker}
        self._threads = [
            threading.Thread(target=self._watch, args=(stack, name, start), daemon=True)
            for name, start in starters.items()
        ]

    def __enter__(self) -> "Restarts":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, stack: LocalStack, name: str, start: Callable[[], None]) -> None:
        while not self._over.wait(0.2):
            if stack.is_running(name):
                continue
            time.sleep(RESTART_SECONDS)
            try:
                start()
            except StackError:
                # Killed again before it was up.
                continue
            self.counts[name] += 1
