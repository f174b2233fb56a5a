"""Asking a machine for its host key before anything is said to it."""

import base64
import hashlib
import socket
from contextlib import suppress

import paramiko

from deployments.remote.errors import SshUnreachableError
from deployments.remote.target import Limits


def shown_host_key(host: str, port: int, *, limits: Limits | None = None) -> str:
    """Return the OpenSSH public key line, without comment, that a machine proves to hold.

    Nobody logs in, and nothing of ours is sent.
    Raises: SshUnreachableError when there is no SSH to talk to (yet).
    """
    limits = limits or Limits()
    try:
        with socket.create_connection((host, port), timeout=limits.connect_seconds) as connection:
            transport = paramiko.Transport(connection)
            transport.banner_timeout = limits.banner_seconds
            try:
                transport.start_client(timeout=limits.banner_seconds)
                key = transport.get_remote_server_key()
                return f"{key.get_name()} {key.get_base64()}"
            finally:
                _close(transport)
    # A hostile machine can make the library raise nearly anything (T3).
    except Exception as error:
        raise SshUnreachableError(
            f"SSH at {host} port {port} does not answer.",
            remedy="A new machine needs a moment; we try again.",
        ) from error


def fingerprint_of(host_key: str) -> str:
    """Return a host key's fingerprint as ssh-keygen prints it: "SHA256:..."."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _close(transport: paramiko.Transport) -> None:
    with suppress(Exception):
        transport.packetizer.complete_handshake()
    transport.close()
    transport.join(1.0)
