"""What is inside a sealed value: the secret and whose it is, so that rows cannot be swapped (T8).

Fernet says that a text was sealed with our key, not for which row: whoever can write to the
database could put one user's key into another's entry (libraries.md section 3).
"""

import json

from secrets_vault.fields import SecretUnreadableError

_SECRET = "secret"  # noqa: S105  # the name of the member, not a secret


def bind(secret: str, **owner: object) -> str:
    """Return the text to seal: the secret together with ``owner``, whose values must be JSON."""
    return json.dumps({**owner, _SECRET: secret}, sort_keys=True)


def unbind(text: str, what: str, **owner: object) -> str:
    """Return the secret in an opened text.

    Raises: SecretUnreadableError, naming ``what``, when it was sealed for somebody else.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get(_SECRET), str):
        raise SecretUnreadableError(what)
    secret: str = found.pop(_SECRET)
    if found != owner:
        raise SecretUnreadableError(what)
    return secret
