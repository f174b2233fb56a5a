"""The SSH server of one machine: public keys only, no forwarding.

Connections are taken by hand, so that a fault can have a connection before SSH does.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

import asyncssh

from sandbox.fault_kinds import EXEC
from sandbox.faults import FaultBook, SshHit
from sandbox.image import MachineFiles, shell_environment
from sandbox.processes import MARKER
from sandbox.relay import Line, relay, reset
from sandbox.sftp import Disk, HomeSftpServer
from sandbox.shell import Channel, run_shell, run_unanswered

WAITING_CONNECTIONS = 128


@dataclass(frozen=True)
class Guest:
    """What a login finds; ``user`` is the one name that may log in, None lets any.

    ``paths`` are files that a real machine has at a path that is not ours to write: a command
    that names one is given the machine's own.
    """

    user: str | None = None
    paths: Mapping[str, str] = field(default_factory=dict)

    def command(self, given: str | None) -> str | None:
        if given is None:
            return None
        for path, own in self.paths.items():
            given = given.replace(path, own)
        return given


class SshServer:
    """Listens from ``start`` to ``stop``; ``stop`` ends the live connections too."""

    def __init__(
        self,
        machine_id: str,
        files: MachineFiles,
        *,
        name: str,
        cloud: str,
        host_keys: Sequence[asyncssh.SSHKey],
        login_keys: Sequence[asyncssh.SSHKey],
        faults: FaultBook,
        disk: Disk,
        guest: Guest,
    ) -> None:
        self._machine_id = machine_id
        self._files = files
        self._name = name
        self._cloud = cloud
        self._host_keys = list(host_keys)
        self._login_keys = {key.public_data for key in login_keys}
        self._faults = faults
        self._disk = disk
        self._guest = guest
        self._listening: socket.socket | None = None
        self._is_stopped = False
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, bound_socket: socket.socket) -> None:
        """Take connections from the socket, which stays its owner's to close after ``stop``."""
        if self._is_stopped:
            return
        bound_socket.setblocking(False)
        bound_socket.listen(WAITING_CONNECTIONS)
        self._listening = bound_socket
        asyncio.get_running_loop().add_reader(bound_socket, self._take_connection, bound_socket)

    def stop(self) -> None:
        self._is_stopped = True
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening = None
        for connection in list(self._connections):
            connection.abort()
        for task in self._tasks:
            task.cancel()

    def _take_connection(self, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except OSError:
            # The client has gone again.
            return
        client.setblocking(False)
        self._start(self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        """Serve one connection, or do to it what a fault says."""
        fault = self._faults.take("ssh", SshHit(self._name, cloud=self._cloud))
        if fault is None:
            await self._speak_ssh(client)
        elif fault.kind == "ssh_reset":
            reset(client)
        elif fault.kind == "ssh_hang":
            await _hold(client, asyncio.Event().wait())
        elif fault.kind == "ssh_slow_banner":
            await _hold(client, asyncio.sleep(fault.seconds))
            await self._speak_ssh(client)
        elif fault.kind == "ssh_auth_refused":
            await self._speak_ssh(client, login_keys=set())
        elif fault.kind == "ssh_wrong_host_key":
            stranger = asyncssh.generate_private_key("ssh-ed25519")
            await self._speak_ssh(client, host_keys=[stranger])
        else:
            inner, outer = socket.socketpair()
            line = Line(fault.values.get("bytes"), fault.values.get("bytes_per_second"))
            self._start(self._speak_ssh(inner))
            await relay(client, outer, line)

    async def _speak_ssh(
        self,
        client: socket.socket,
        *,
        host_keys: list[asyncssh.SSHKey] | None = None,
        login_keys: set[bytes] | None = None,
    ) -> None:
        """Hand a connection to SSH; returns when the client has logged in or given up."""
        known = self._login_keys if login_keys is None else login_keys
        with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
            await asyncssh.run_server(
                client,
                server_factory=lambda: _Login(known, self._connections, user=self._guest.user),
                server_host_keys=self._host_keys if host_keys is None else host_keys,
                gss_host=None,
                process_factory=self._serve_shell,
                sftp_factory=self._serve_sftp,
                encoding=None,
                allow_pty=False,
                line_editor=False,
                agent_forwarding=False,
                x11_forwarding=False,
                allow_scp=False,
            )

    async def _serve_shell(self, channel: Channel) -> None:
        if self._is_stopped:
            return
        user = str(channel.get_extra_info("username"))
        environment = shell_environment(self._files, user=user)
        environment[MARKER] = self._machine_id
        hit = SshHit(self._name, EXEC, channel.command or "", cloud=self._cloud)
        is_answered = self._faults.take("exec", hit) is None
        run = run_shell if is_answered else run_unanswered
        command = self._guest.command(channel.command)
        await run(channel, command, home=self._files.home, environment=environment)
        if is_answered:
            return
        connection = channel.get_extra_info("connection")
        connection.abort()

    def _serve_sftp(self, channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return HomeSftpServer(channel, home=self._files.home, disk=self._disk)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _hold(client: socket.socket, wait: Awaitable[object]) -> None:
    """Keep a connection that nobody reads; the end of the server ends it."""
    try:
        await wait
    except asyncio.CancelledError:
        client.close()
        raise


class _Login(asyncssh.SSHServer):
    """One connection: its key decides. Forwarding is refused by the base class."""

    def __init__(
        self,
        login_keys: set[bytes],
        connections: set[asyncssh.SSHServerConnection],
        *,
        user: str | None,
    ) -> None:
        self._user = user
        self._login_keys = login_keys
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == (self._user or username) and key.public_data in self._login_keys
