"""The installation's own name: every machine we rent begins with it (D1, I15, F70)."""

import secrets
import string

from core.models import Installation

_ALPHABET = string.ascii_lowercase + string.digits


def installation_id() -> str:
    """Return the name made once for this database, such as ``slw7k2``.

    Two workers that start at once get the same one: the row's key is fixed.
    """
    row, _ = Installation.objects.get_or_create(pk=1, defaults={"slug": _new_slug()})
    return row.slug


def _new_slug() -> str:
    return "slw" + "".join(secrets.choice(_ALPHABET) for _ in range(3))
