"""A machine for the tests: a real SSH server on loopback, in a thread, with faults on demand."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import psutil

from deployments.remote import KeyPair, SshTarget, generate_key_pair

HOST = "127.0.0.1"
USER = "ubuntu"
# Longer than anybody waits: a test that ends thaws its machine.
FROZEN_SECONDS = 300


@dataclass
class Machine:
    """A running SSH server. The login home is ``home``; what it saw is in ``logins``."""

    home: Path
    host_key: KeyPair
    login_key: KeyPair
    port: int = 0
    # Login attempts that got as far as naming a user: a byte of ours that meant something.
    logins: list[str] = field(default_factory=list)
    # Faults: cut all connections once this many file bytes have moved.
    cut_after_bytes: int | None = None
    # What SFTP writes do to the data on its way to the disk.
    corrupts_next_write: bool = False
    disk_is_full: bool = False
    freezes_at_login: bool = False
    hangs_up_at_login: bool = False
    freezes_at_sftp: bool = False
    bytes_written: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    thawed: threading.Event = field(default_factory=threading.Event)

    def target(self, *, host_key: str | None = None, private_key: str | None = None) -> SshTarget:
        return SshTarget(
            host=HOST,
            port=self.port,
            user=USER,
            private_key=private_key or self.login_key.private_key,
            host_key=self.host_key.public_key if host_key is None else host_key,
        )

    def drop_connections(self) -> None:
        """Cut every connection, as a network would: without a word."""
        self.loop.call_soon_threadsafe(self.abort_all)

    def freeze(self) -> None:
        """Stop answering, but keep the connections, as a hung machine would."""
        frozen = threading.Event()

        def stand_still() -> None:
            frozen.set()
            self.thawed.wait(FROZEN_SECONDS)

        self.loop.call_soon_threadsafe(stand_still)
        assert frozen.wait(60)

    def thaw(self) -> None:
        self.thawed.set()

    def moved(self, count: int) -> None:
        """Count file bytes, and cut the connections when the fault says so."""
        if self.cut_after_bytes is None:
            return
        self.cut_after_bytes -= count
        if self.cut_after_bytes <= 0:
            self.cut_after_bytes = None
            self.abort_all()
            raise asyncssh.SFTPConnectionLost("cut by the test")

    def abort_all(self) -> None:
        for connection in self.connections:
            connection.abort()
        self.connections.clear()


class _Server(asyncssh.SSHServer):
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._machine.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        machine = self._machine
        machine.logins.append(username)
        if machine.freezes_at_login:
            machine.thawed.wait(FROZEN_SECONDS)
        if machine.hangs_up_at_login:
            machine.abort_all()
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        offered = key.export_public_key().decode().split()[:2]
        return offered == self._machine.login_key.public_key.split()[:2]


class _Files(asyncssh.SFTPServer):
    """SFTP in the machine's home, with the machine's faults."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], machine: Machine) -> None:
        self._machine = machine
        if machine.freezes_at_sftp:
            machine.thawed.wait(FROZEN_SECONDS)
        super().__init__(chan, chroot=os.fsencode(machine.home))

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        data = super().read(file_obj, offset, size)
        assert isinstance(data, bytes)
        self._machine.moved(len(data))
        return data

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if self._machine.disk_is_full:
            raise asyncssh.SFTPFailure("No space left on device")
        if self._machine.corrupts_next_write:
            self._machine.corrupts_next_write = False
            data = bytes(len(data))
        written = super().write(file_obj, offset, data)
        assert isinstance(written, int)
        self._machine.bytes_written += written
        self._machine.moved(written)
        return written


async def _run(machine: Machine, process: asyncssh.SSHServerProcess[bytes]) -> None:
    child = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        process.command or "true",
        cwd=machine.home,
        env={"PATH": os.environ["PATH"], "HOME": str(machine.home)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    machine.processes.append(child)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    pumps = asyncio.gather(
        _pump_in(process.stdin, child.stdin),
        _pump_out(child.stdout, process.stdout),
        _pump_out(child.stderr, process.stderr),
        return_exceptions=True,
    )
    status = await child.wait()
    await pumps
    process.exit(status if status >= 0 else 128 - status)


async def _pump_in(source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _pump_out(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()


@contextmanager
def running_machine(home: Path) -> Iterator[Machine]:
    """Run a machine for the length of a with block; everything it started is ended after it."""
    home.mkdir(parents=True, exist_ok=True)
    machine = Machine(home, generate_key_pair("host"), generate_key_pair("login"))
    loop = machine.loop
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_listen(machine), loop).result(60)
    machine.port = server.get_port()
    try:
        yield machine
    finally:
        machine.thaw()
        asyncio.run_coroutine_threadsafe(_close(machine, server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _listen(machine: Machine) -> asyncssh.SSHAcceptor:
    return await asyncssh.listen(
        HOST,
        0,
        server_factory=lambda: _Server(machine),
        server_host_keys=[asyncssh.import_private_key(machine.host_key.private_key)],
        process_factory=lambda process: _run(machine, process),
        sftp_factory=lambda chan: _Files(chan, machine),
        encoding=None,
    )


async def _close(machine: Machine, server: asyncssh.SSHAcceptor) -> None:
    server.close()
    machine.abort_all()
    for child in machine.processes:
        for process in psutil.process_iter():
            # By session: timeout(1) makes a process group of its own.
            with suppress(ProcessLookupError, psutil.Error):
                if os.getsid(process.pid) == child.pid:
                    process.kill()
        await child.wait()
    await server.wait_closed()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


@contextmanager
def silent_port(*, answer: bytes = b"") -> Iterator[int]:
    """Listen, accept, say ``answer`` (if anything) and then nothing more."""
    with socket.create_server((HOST, 0)) as listener:
        taken: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    taken.append(connection)
                    connection.sendall(answer)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(60)
            for connection in taken:
                connection.close()


def closed_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
