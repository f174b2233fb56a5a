"""The one field that seals a secret, strict where the library is silent.

The library hands back the raw column when the key is wrong, and encrypts it again on save: the
secret is lost without a word (libraries.md section 3, each pitfall measured there).
"""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup, TextField, Transform

from core.errors import ServerFaultError

try:
    # The library reads the keys when it is imported.
    from encrypted_model_fields.fields import EncryptedTextField, decrypt_str
except ImproperlyConfigured:
    # No cause: nothing that was done with a key belongs in a traceback.
    raise ImproperlyConfigured(
        "FIELD_ENCRYPTION_KEY holds no usable key. It takes one Fernet key or several, newest "
        "first, with commas between them; make one with: python -c 'from cryptography.fernet "
        "import Fernet; print(Fernet.generate_key().decode())'"
    ) from None


class SecretUnreadableError(ServerFaultError):
    """A sealed value does not open: wrong key, or the column was tampered with (F80)."""

    code = "E_SECRET_UNREADABLE"

    def __init__(self, what: str = "A sealed secret") -> None:
        super().__init__(
            f"{what} cannot be opened with the present FIELD_ENCRYPTION_KEY.",
            remedy="Put back the key it was sealed with, or delete it and add it again.",
        )


class SecretField(EncryptedTextField):  # type: ignore[misc]  # the library has no types
    """Encrypted text that raises rather than guess.

    Reading raises SecretUnreadableError; saving anything but ``str`` or None raises TypeError (so
    does ``bulk_update``, which hands over SQL expressions); only ``isnull`` can be looked up;
    ``dumpdata`` and the serializers leave it out (T15).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("serialize", False)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, *args: object, **kwargs: object) -> str | None:
        if value is None:
            return None
        try:
            opened: str = decrypt_str(value)
        except (InvalidToken, ValueError):
            # No cause: its message or locals could carry the column's text into a log.
            raise SecretUnreadableError(f"{self.model.__name__}.{self.name}") from None
        return opened

    def to_python(self, value: object) -> str | None:
        # A value in memory is plain already; what looks like a token of ours is somebody's secret.
        return TextField.to_python(self, value)  # type: ignore[no-any-return]

    def get_db_prep_save(self, value: object, connection: BaseDatabaseWrapper) -> str | None:
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{self.name} takes only a str, not {type(value).__name__}.")
        sealed: str | None = super().get_db_prep_save(value, connection)
        return sealed

    def get_lookup(self, lookup_name: str) -> type[Lookup[Any]] | None:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is sealed: only isnull can be looked up.")
        found: type[Lookup[Any]] | None = super().get_lookup(lookup_name)
        return found

    def get_transform(self, lookup_name: str) -> type[Transform] | None:
        raise FieldError(f"{self.name} is sealed and cannot be transformed.")

    def value_to_string(self, obj: object) -> str:
        # Whoever exports it all the same asks here.
        raise TypeError(f"{self.name} is sealed and is never exported.")
