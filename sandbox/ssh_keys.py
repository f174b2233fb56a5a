"""The account's registered SSH keys."""

import secrets
from dataclasses import dataclass

import asyncssh

from sandbox.errors import invalid, key_in_use, key_name_taken, not_found, quota_exceeded

KEYS_PER_ACCOUNT = 1024


@dataclass(frozen=True)
class RegisteredKey:
    """A public key under its name, as it was sent."""

    key_id: str
    name: str
    public_key: str
    parsed: asyncssh.SSHKey

    def as_json(self) -> dict[str, object]:
        return {"id": self.key_id, "name": self.name, "public_key": self.public_key}


class SshKeyBook:
    """Keys by id; names are unique."""

    def __init__(self) -> None:
        self._keys: dict[str, RegisteredKey] = {}

    def all(self) -> list[RegisteredKey]:
        return list(self._keys.values())

    def by_name(self, name: str) -> RegisteredKey | None:
        return next((key for key in self._keys.values() if key.name == name), None)

    def add(self, name: str, public_key: str) -> RegisteredKey:
        """Register a key; raises ApiError for a taken name, an unreadable key, a full account."""
        if self.by_name(name) is not None:
            raise key_name_taken()
        if len(self._keys) >= KEYS_PER_ACCOUNT:
            raise quota_exceeded()
        try:
            parsed = asyncssh.import_public_key(public_key)
        except asyncssh.KeyImportError:
            raise invalid("public_key", "Not a public key in a known format") from None
        key = RegisteredKey(secrets.token_hex(16), name, public_key, parsed)
        self._keys[key.key_id] = key
        return key

    def generate(self, name: str) -> tuple[RegisteredKey, str]:
        """Register a key made here; the private half is returned and not kept."""
        private = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        key = self.add(name, private.export_public_key().decode().strip())
        return key, private.export_private_key("pkcs1-pem").decode()

    def delete(self, key_id: str, *, used_names: set[str]) -> None:
        key = self._keys.get(key_id)
        if key is None:
            raise not_found()
        if key.name in used_names:
            raise key_in_use()
        del self._keys[key_id]
