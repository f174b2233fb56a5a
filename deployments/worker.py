"""The worker: one supervisor over a process for each queue, and the ticker that feeds them.

Why a supervisor of our own (each point measured, libraries.md section 2): a signal to django-q2's
whole process group hangs it for ever, so its processes live in a session of their own and only
their main process is told; a cluster whose idle worker was killed takes no more tasks and does not
notice, so a canary goes through each queue and a silent cluster is killed and started again.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import FrameType

from django.conf import settings
from django.db import Error, close_old_connections

from core.database import DATABASE_AWAY
from core.time import database_now
from deployments import tasks
from deployments.models import WorkerHeartbeat
from deployments.timing import Timing

logger = logging.getLogger(__name__)

# Longer than the 50 s a task may take, so that running tasks end by themselves.
STOP_GRACE_SECONDS = 55.0
BEAT_SECONDS = 5.0
# Source: prctl(2), linux/prctl.h.
PR_SET_PDEATHSIG = 1
FORGET_BEATS_AFTER = timedelta(days=1)


class QueueProcess:
    """The process tree of one worker that serves one queue."""

    def __init__(self, queue: str, *, worker: str) -> None:
        self.queue = queue
        self._worker = worker
        self._process: subprocess.Popen[bytes] | None = None
        self._hopeful_since = 0.0
        self._asked = 0.0

    def start(self) -> None:
        command, environment = tasks.queue_command(self.queue, worker=self._worker)
        self._process = subprocess.Popen(  # noqa: S603  # our own command
            command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL
        )
        self._hopeful_since = time.monotonic()

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def ask_to_stop(self) -> None:
        """Signal the main process alone: the group would hang (measured)."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> bool:
        """Return whether it ended within that time."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout=max(seconds, 0.01))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the whole tree: workers live on when only their main process dies."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def watch(self, *, timing: Timing) -> None:
        """Start it again when it ended or takes no more tasks; ask for a sign of life."""
        if self.has_ended():
            logger.error("The processes of queue %s ended; starting them again", self.queue)
            self._start_again()
            return
        try:
            if self._stalled(timing=timing):
                logger.error("Queue %s takes no tasks; killing and starting it again", self.queue)
                self._start_again()
                return
            if time.monotonic() - self._asked >= timing.canary_seconds:
                self._asked = time.monotonic()
                tasks.send_canary(self.queue)
        except Error:
            # Whoever cannot be asked cannot answer: a database that was away is no stall (F77).
            self._hopeful_since = time.monotonic()
            raise

    def _start_again(self) -> None:
        self.kill()
        self.start()
        tasks.offer_again(self.queue)

    def _stalled(self, *, timing: Timing) -> bool:
        if time.monotonic() - self._hopeful_since < timing.stall_limit_seconds:
            return False
        beaten = tasks.last_beat(tasks.queue_beat(self.queue, worker=self._worker))
        limit = timedelta(seconds=timing.stall_limit_seconds)
        return beaten is None or database_now() - beaten > limit


class Supervisor:
    """Runs until SIGTERM or SIGINT, then lets running tasks end."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        worker = f"{socket.gethostname()[:64]}:{os.getpid()}"
        self._queues = [QueueProcess(queue, worker=worker) for queue in tasks.QUEUES]
        self._name = f"worker:{worker}"

    def run(self) -> None:
        """Serve all queues and tick; returns after a clean stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for queue in self._queues:
            queue.start()
        ticker = threading.Thread(target=self._tick, name="ticker", daemon=True)
        ticker.start()
        beaten = -BEAT_SECONDS
        while not self._stopping.is_set():
            if time.monotonic() - beaten >= BEAT_SECONDS:
                beaten = time.monotonic()
                self.guarded(self.beat)
            for queue in self._queues:
                self.guarded(partial(queue.watch, timing=settings.TIMING))
            self._stopping.wait(1.0)
        ticker.join(timeout=5)
        self._stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()

    def _tick(self) -> None:
        timing: Timing = settings.TIMING
        while not self._stopping.wait(timing.ticker_seconds):
            self.guarded(tasks.claim_due)

    def beat(self) -> None:
        """Show that this worker lives, and forget those that have not for long."""
        tasks.beat(self._name)
        WorkerHeartbeat.objects.filter(beat_at__lt=database_now() - FORGET_BEATS_AFTER).delete()

    def guarded(self, work: Callable[[], object]) -> None:
        """Nothing may end the supervisor: a database that is away comes back (F76)."""
        try:
            close_old_connections()
            work()
        except DATABASE_AWAY as error:
            logger.warning("The worker waits for the database: %s", error)
        except Exception:
            logger.exception("The worker's supervisor could not do %s", work)

    def _stop(self) -> None:
        give_up = time.monotonic() + STOP_GRACE_SECONDS
        for queue in self._queues:
            queue.ask_to_stop()
        for queue in self._queues:
            if not queue.wait(give_up - time.monotonic()):
                logger.warning("Queue %s did not end in time; killing it", queue.queue)
            queue.kill()


def serve_queue(*, supervisor: int) -> None:
    """Serve one queue as a child of the supervisor with that process id, and end with it."""
    os.register_at_fork(after_in_child=_end_with_parent)
    watch = threading.Thread(target=_end_with, args=(supervisor,), daemon=True)
    tasks.serve_queue(when_started=watch.start)


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that forked it ends (Linux, else nothing).

    Else a pusher whose cluster was killed together with its supervisor goes on for ever, and takes
    tasks off the queue that nobody does (measured: tests/fire/kill_loop.py).
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with(supervisor: int) -> None:
    """Stop when the supervisor is no more: its orphans would go on with old code (measured)."""
    while os.getppid() == supervisor:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_GRACE_SECONDS)
    # What does not take tasks does not stop either, and nobody else is left to kill it.
    os.killpg(0, signal.SIGKILL)
