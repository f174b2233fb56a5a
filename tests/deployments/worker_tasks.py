"""What the tests let a real worker do. Each leaves its mark in a file, a line for each run."""

import os
import signal
import time
from pathlib import Path


def mark(path: str) -> None:
    """Be quick."""
    _write(path, "done")


def take_time(path: str, seconds: str) -> None:
    """Say when it began and when it ended."""
    _write(path, "began")
    time.sleep(float(seconds))
    _write(path, "ended")


def take_time_once_let(path: str, let: str, seconds: str) -> None:
    """Say when it began; end so many seconds after the file ``let`` has appeared."""
    _write(path, "began")
    while not Path(let).exists():
        time.sleep(0.02)
    time.sleep(float(seconds))
    _write(path, "ended")


def kill_worker(path: str) -> None:
    """Die as the kernel's memory killer would have it: without a word."""
    _write(path, "killed")
    os.kill(os.getpid(), signal.SIGKILL)


def _write(path: str, word: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{word}\n")
