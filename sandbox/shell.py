"""One exec or shell request: a real bash with its three streams pumped by hand.

asyncssh's own redirection lost stderr and the exit status of short commands (measured with 2.24.1),
so the streams are copied here and the exit status is sent when both outputs have ended, as OpenSSH
does. When the channel dies first, the command goes on with its output thrown away.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import asyncssh

CHUNK_BYTES = 65536
# What a stock sshd accepts from a client (Debian's AcceptEnv).
ACCEPTED_VARIABLES = re.compile(r"LANG|LC_[A-Z]+")

Channel = asyncssh.SSHServerProcess[bytes]


async def run_shell(
    channel: Channel, command: str | None, *, home: Path, environment: Mapping[str, str]
) -> None:
    """Run a command, a shell for None, and send its exit status."""
    if channel.subsystem is not None:
        channel.exit(1)
        return
    # No login shell: /etc/profile would set another PATH.
    arguments = ["-s"] if command is None else ["-c", command]
    process = await asyncio.create_subprocess_exec(
        "/bin/bash",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=home,
        env={**environment, **_accepted(channel.env)},
        start_new_session=True,
    )
    input_pump = asyncio.create_task(_pump_input(channel, process))
    await asyncio.gather(
        _pump_output(process.stdout, channel.stdout),
        _pump_output(process.stderr, channel.stderr),
    )
    status = await process.wait()
    input_pump.cancel()
    if process.stdin is not None:
        # A child that lives on may hold the other end.
        process.stdin.close()
    _send_exit(channel, status)


async def run_unanswered(
    channel: Channel, command: str | None, *, home: Path, environment: Mapping[str, str]
) -> None:
    """Run the command to its end without input; what it prints reaches nobody."""
    process = await asyncio.create_subprocess_exec(
        "/bin/bash",
        *(["-s"] if command is None else ["-c", command]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=home,
        env={**environment, **_accepted(channel.env)},
        start_new_session=True,
    )
    await process.wait()


def _accepted(client_environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in client_environment.items()
        if ACCEPTED_VARIABLES.fullmatch(name)
    }


async def _pump_input(channel: Channel, process: asyncio.subprocess.Process) -> None:
    """Copy the client's input until it ends; its signals go to the command."""
    if process.stdin is None:
        return
    while True:
        try:
            data = await channel.stdin.read(CHUNK_BYTES)
        except asyncssh.SignalReceived as received:
            _send_signal(process, received.signal)
            continue
        except asyncssh.BreakReceived:
            continue
        except (OSError, asyncssh.Error):
            data = b""
        if not data:
            break
        # A command that has stopped reading is no reason to stop reading the client.
        with contextlib.suppress(OSError):
            process.stdin.write(data)
            await process.stdin.drain()
    process.stdin.close()


async def _pump_output(
    source: asyncio.StreamReader | None, target: asyncssh.SSHWriter[bytes]
) -> None:
    if source is None:
        return
    is_open = True
    while data := await source.read(CHUNK_BYTES):
        if not is_open:
            continue
        try:
            target.write(data)
            await target.drain()
        except (OSError, asyncssh.Error):
            is_open = False


def _send_signal(process: asyncio.subprocess.Process, name: str) -> None:
    number = getattr(signal, f"SIG{name}", None)
    if isinstance(number, signal.Signals):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _send_exit(channel: Channel, status: int) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        if status >= 0:
            channel.exit(status)
        else:
            channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
