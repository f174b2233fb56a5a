"""The SSH server of one machine: public keys only, any user name, no forwarding."""

import socket
from collections.abc import Sequence

import asyncssh

from sandbox.image import MachineFiles, shell_environment
from sandbox.processes import MARKER
from sandbox.sftp import HomeSftpServer
from sandbox.shell import Channel, run_shell

SSH_PORT = 2222


class SshServer:
    """Listens from ``start`` to ``stop``; ``stop`` ends the live connections too."""

    def __init__(
        self,
        machine_id: str,
        files: MachineFiles,
        *,
        host_keys: Sequence[asyncssh.SSHKey],
        login_keys: Sequence[asyncssh.SSHKey],
    ) -> None:
        self._machine_id = machine_id
        self._files = files
        self._host_keys = host_keys
        self._login_keys = {key.public_data for key in login_keys}
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._is_stopped = False
        # Closing the listener leaves live connections alone, so they are known by name.
        self._connections: set[asyncssh.SSHServerConnection] = set()

    async def start(self, bound_socket: socket.socket) -> None:
        self._acceptor = await asyncssh.listen(
            sock=bound_socket,
            server_factory=lambda: _Login(self._login_keys, self._connections),
            server_host_keys=list(self._host_keys),
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
        if self._is_stopped:
            self._acceptor.close()

    def stop(self) -> None:
        self._is_stopped = True
        if self._acceptor is not None:
            self._acceptor.close()
        for connection in list(self._connections):
            connection.abort()

    async def _serve_shell(self, channel: Channel) -> None:
        if self._is_stopped:
            return
        user = str(channel.get_extra_info("username"))
        environment = shell_environment(self._files, user=user)
        environment[MARKER] = self._machine_id
        await run_shell(channel, home=self._files.home, environment=environment)

    def _serve_sftp(self, channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return HomeSftpServer(channel, home=self._files.home)


class _Login(asyncssh.SSHServer):
    """One connection: its key decides. Forwarding is refused by the base class."""

    def __init__(
        self, login_keys: set[bytes], connections: set[asyncssh.SSHServerConnection]
    ) -> None:
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
        return key.public_data in self._login_keys
