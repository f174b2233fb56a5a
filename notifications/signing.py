"""Signatures of webhooks by the Standard Webhooks specification, version 1.0.0 (T12).

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature
scheme" and "Verifying webhooks" (read 2026-11).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
SECRET_BYTES = 32
# What the specification allows.
SHORTEST_BYTES, LONGEST_BYTES = 24, 64
TOLERANCE_SECONDS = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_VERSION = "v1"


class ForgedError(Exception):
    """A message that was not signed with this secret, or is too old; its text says which."""


def new_secret() -> str:
    """Return a secret of 256 random bits as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(
    signing_secrets: Iterable[str], *, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the three headers; one signature for each secret, so that a rotation loses nothing."""
    signatures = (
        _signature(secret, message_id=message_id, timestamp=timestamp, body=body)
        for secret in signing_secrets
    )
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}


def verify(secret: str, *, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Return if a message is genuine and fresh; ``now`` in Unix seconds, ``body`` as received.

    For receivers written in Python; header names are compared without regard to case.
    Raises: ForgedError; ValueError for an impossible secret.
    """
    named = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not named.get(name)]
    if missing:
        raise ForgedError(f"{missing[0]} is missing")
    text = named[TIMESTAMP]
    if not (text.isascii() and text.isdigit()) or len(text) > len("9999999999"):
        raise ForgedError(f"{TIMESTAMP} is no number of seconds")
    timestamp = int(text)
    if abs(now - timestamp) > TOLERANCE_SECONDS:
        raise ForgedError(f"sent more than {TOLERANCE_SECONDS} s from now")
    wanted = _signature(secret, message_id=named[ID], timestamp=timestamp, body=body).encode()
    given = named[SIGNATURE].split()
    if not any(hmac.compare_digest(each.encode(), wanted) for each in given):
        raise ForgedError("no signature fits")


def _signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), content, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    """Return the bytes of a secret; ValueError when it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base64") from None
    if not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise ValueError(f"a secret has {SHORTEST_BYTES} to {LONGEST_BYTES} bytes")
    return key
