"""SSH to rented machines: known by their pinned host key, never trusted with more than needed."""

from deployments.remote.connection import connect
from deployments.remote.errors import (
    HostKeyMismatchError,
    RemoteError,
    RemoteFileMissingError,
    SshAuthError,
    SshUnreachableError,
)
from deployments.remote.first_contact import fingerprint_of, shown_host_key
from deployments.remote.keys import KeyPair, generate_key_pair, public_key_of
from deployments.remote.remote import Remote
from deployments.remote.target import Limits, Result, SshTarget

__all__ = [
    "HostKeyMismatchError",
    "KeyPair",
    "Limits",
    "Remote",
    "RemoteError",
    "RemoteFileMissingError",
    "Result",
    "SshAuthError",
    "SshTarget",
    "SshUnreachableError",
    "connect",
    "fingerprint_of",
    "generate_key_pair",
    "public_key_of",
    "shown_host_key",
]
