"""One command over one SSH channel: bytes in, bytes out, within a time limit.

fabric's own ``run`` is not used for this: it reads its standard input one byte each 10 ms, keeps
output without a limit, and has threads to lose (measured with fabric 3.2.3 and invoke 2.2.1).
"""

import math
import shlex
import time
from dataclasses import dataclass, field

import paramiko

CHUNK_BYTES = 32 * 1024
OUTPUT_LIMIT_BYTES = 1024 * 1024
POLL_SECONDS = 0.005
# After a command's end its output is waited for this long: a child that runs on may hold it open.
LAST_OUTPUT_SECONDS = 1.0
# What timeout(1) answers when it ended the command, softly or by force (GNU coreutils manual).
TIMED_OUT_STATUSES = (124, 137)


@dataclass
class Output:
    """One of a command's output streams; what exceeds the limit is read and dropped (T3)."""

    data: bytearray = field(default_factory=bytearray)

    def take(self, chunk: bytes) -> None:
        room = OUTPUT_LIMIT_BYTES - len(self.data)
        self.data += chunk[:room]

    def text(self) -> str:
        return self.data.decode(errors="replace")


@dataclass
class Exchange:
    """A command under way. ``run`` ends when the command has, or when the time is up."""

    channel: paramiko.Channel
    give_up: float
    stdin: memoryview
    stdout: Output = field(default_factory=Output)
    stderr: Output = field(default_factory=Output)
    _ended_at: float | None = None
    _stdin_closed: bool = False

    def run(self) -> int | None:
        """Return the exit status, None when it is not known: cut, killed, or still running."""
        while not self._is_over():
            if not (self._receive() or self._send()):
                time.sleep(POLL_SECONDS)
        if not self.channel.exit_status_ready():
            return None
        status = self.channel.recv_exit_status()
        return None if status < 0 else status

    def _is_over(self) -> bool:
        now = time.monotonic()
        if now >= self.give_up:
            return True
        # Asked before looking for output: what came just before the end is still taken.
        closed, no_more_output = bool(self.channel.closed), bool(self.channel.eof_received)
        has_status = self.channel.exit_status_ready()
        if self.channel.recv_ready() or self.channel.recv_stderr_ready():
            return False
        if closed or not has_status:
            return closed
        self._ended_at = self._ended_at or now
        return no_more_output or now - self._ended_at >= LAST_OUTPUT_SECONDS

    def _receive(self) -> bool:
        received = False
        if self.channel.recv_ready():
            self.stdout.take(self.channel.recv(CHUNK_BYTES))
            received = True
        if self.channel.recv_stderr_ready():
            self.stderr.take(self.channel.recv_stderr(CHUNK_BYTES))
            received = True
        return received

    def _send(self) -> bool:
        if self._stdin_closed or not self.channel.send_ready():
            return False
        if self.stdin:
            sent = self.channel.send(bytes(self.stdin[:CHUNK_BYTES]))
            self.stdin = self.stdin[sent:]
            return True
        self.channel.shutdown_write()
        self._stdin_closed = True
        return True


def limited(command: str, *, timeout_seconds: float, kill_seconds: float) -> str:
    """Return the command as one that ends itself on the machine when its time is up.

    Giving up on our side alone would leave it running there. The limit reaches the command's
    process group, so what it detached with setsid goes on.
    """
    limit = max(1, math.ceil(timeout_seconds))
    kill = max(1, math.ceil(kill_seconds))
    return f"timeout -k {kill} {limit} sh -c {shlex.quote(command)}"
