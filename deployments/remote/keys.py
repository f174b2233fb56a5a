"""SSH key pairs as OpenSSH texts."""

from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from deployments.remote.errors import RemoteError


@dataclass(frozen=True)
class KeyPair:
    """Both halves of a key; the private text ends with the newline that OpenSSH insists on."""

    private_key: str = field(repr=False)
    public_key: str


def generate_key_pair(comment: str) -> KeyPair:
    """Make a new ed25519 key pair; the comment stands at the end of the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return KeyPair(private_key=private.decode(), public_key=f"{public.decode()} {comment}")


def public_key_of(private_text: str) -> str:
    """Return the public line, without comment, of a private key in OpenSSH or PEM form.

    Raises: RemoteError when the text is no private key, or one that needs a passphrase.
    """
    data = private_text.encode()
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, password=None)
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    # What is wrong with the text must not quote the text.
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
        raise RemoteError(
            "The SSH login key is not a private key that can be used.",
            remedy="Give an ed25519 key without a passphrase, as ssh-keygen -t ed25519 makes it.",
            code="E_LOGIN_KEY",
        ) from None
    return public.decode()
