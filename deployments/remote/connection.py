"""Opening a connection that knows the machine before it trusts it."""

import base64
import binascii
import io
from collections.abc import Iterator
from contextlib import contextmanager

import fabric
import paramiko
from paramiko.pkey import UnknownKeyType

from deployments.remote.errors import (
    HostKeyMismatchError,
    RemoteError,
    SshAuthError,
    SshUnreachableError,
)
from deployments.remote.keys import public_key_of
from deployments.remote.remote import Remote
from deployments.remote.target import Limits, SshTarget

SSH_PORT = 22
CLOSE_SECONDS = 1.0
KEY_CLASSES: dict[str, type[paramiko.PKey]] = {
    "ssh-ed25519": paramiko.Ed25519Key,
    "ssh-rsa": paramiko.RSAKey,
    "ecdsa-sha2-nistp256": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp384": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp521": paramiko.ECDSAKey,
}
# paramiko has one exception for a login that was refused and for one that got no answer; only
# its words tell them apart (paramiko 5.1.0, AuthHandler.wait_for_response).
NO_ANSWER_TO_LOGIN = ("Authentication timeout", "transport shut down or saw EOF")


class _TakeFirstKey(paramiko.MissingHostKeyPolicy):
    """First contact: whatever key is shown is taken; who connects decides what to do with it."""

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        return


@contextmanager
def connect(target: SshTarget, *, limits: Limits | None = None) -> Iterator[Remote]:
    """Log in to a machine for the length of a with block.

    With a pinned host key nothing is sent to a machine that shows another one (F30, I12).
    Raises: HostKeyMismatchError, SshAuthError when our login key is refused, SshUnreachableError
    when there is no SSH to talk to (yet); at most about 30 seconds pass.
    """
    limits = limits or Limits()
    connection = _connection(target, limits=limits)
    try:
        _open(connection, target)
        yield Remote(connection.transport, limits=limits)
    finally:
        _close(connection)


def _connection(target: SshTarget, *, limits: Limits) -> fabric.Connection:
    """Return a connection not yet open, deaf to the configuration of whoever runs us."""
    # lazy: no fabric.yaml is read; an SSH configuration of our own: ~/.ssh/config is not either.
    config = fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig())
    connection = fabric.Connection(
        target.host,
        user=target.user,
        port=target.port,
        config=config,
        gateway=False,
        forward_agent=False,
        connect_kwargs={
            "pkey": _login_key(target.private_key),
            "allow_agent": False,
            "look_for_keys": False,
            # Not fabric's connect_timeout, which drops fractions of a second.
            "timeout": limits.connect_seconds,
            "banner_timeout": limits.banner_seconds,
            "auth_timeout": limits.auth_seconds,
            "channel_timeout": limits.channel_seconds,
        },
    )
    client: paramiko.SSHClient = connection.client
    if target.host_key:
        key = _pinned(target.host_key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.get_host_keys().add(_known_as(target), key.get_name(), key)
    else:
        client.set_missing_host_key_policy(_TakeFirstKey())
    return connection


def _open(connection: fabric.Connection, target: SshTarget) -> None:
    try:
        connection.open()
    except paramiko.BadHostKeyException as error:
        raise HostKeyMismatchError(
            f"The machine at {target.host} showed another SSH host key "
            f"({error.key.fingerprint}) than the one it was given "
            f"({error.expected_key.fingerprint}). Nothing was sent to it.",
            remedy="If this image is known to make host keys of its own, set the cloud's HOST_KEY "
            "setting to first_contact; else treat it as an attack and ask the cloud.",
        ) from error
    except paramiko.AuthenticationException as error:
        if any(words in str(error) for words in NO_ANSWER_TO_LOGIN):
            raise _unreachable(target) from error
        raise SshAuthError(
            f"The machine at {target.host} refused our SSH key for the user {target.user}.",
            remedy="Check the user name the image logs in with.",
        ) from error
    # A hostile machine can make the library raise nearly anything (T3).
    except Exception as error:
        raise _unreachable(target) from error


def _close(connection: fabric.Connection) -> None:
    """Close the connection, whatever its state, and let its thread end."""
    # Not fabric's close: it would wait for the SFTP session, and forgets a failed connection.
    client: paramiko.SSHClient = connection.client
    transport = client.get_transport()
    client.close()
    if transport is not None:
        # Ends paramiko's timer for the handshake, which a broken one would leave running.
        transport.packetizer.complete_handshake()
        if transport.is_alive():
            transport.join(CLOSE_SECONDS)


def _unreachable(target: SshTarget) -> SshUnreachableError:
    return SshUnreachableError(
        f"SSH at {target.host} port {target.port} does not answer.",
        remedy="A new machine needs a moment; we try again. "
        "If it lasts, check that the account's firewall lets TCP 22 in.",
    )


def _known_as(target: SshTarget) -> str:
    """Return the name under which paramiko looks a host key up."""
    return target.host if target.port == SSH_PORT else f"[{target.host}]:{target.port}"


def _login_key(private_text: str) -> paramiko.PKey:
    kind = public_key_of(private_text).split()[0]
    if kind not in KEY_CLASSES:
        raise RemoteError(
            f"The SSH login key is of a kind that cannot be used ({kind}).",
            remedy="Give an ed25519 key without a passphrase, as ssh-keygen -t ed25519 makes it.",
            code="E_LOGIN_KEY",
        )
    return KEY_CLASSES[kind].from_private_key(io.StringIO(private_text))


def _pinned(line: str) -> paramiko.PKey:
    try:
        kind, blob = line.split()[:2]
        return paramiko.PKey.from_type_string(kind, base64.b64decode(blob, validate=True))
    except (ValueError, binascii.Error, paramiko.SSHException, UnknownKeyType) as error:
        raise RemoteError(
            "The pinned host key of the machine cannot be read.",
            remedy="End the machine and start the run again.",
            code="E_HOSTKEY",
        ) from error
