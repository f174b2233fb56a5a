"""System checks of the vault: a wrong key stops the start instead of a deployment (F80)."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import OperationalError, ProgrammingError

from secrets_vault.fields import SecretUnreadableError
from secrets_vault.models import InstallationSecret
from secrets_vault.services import installation_secret

CANARY_NAME = "canary"
_CANARY_TEXT = "sealed with the key of this database"


def place_canary(**kwargs: Any) -> None:
    """Seal the canary where there is none yet; runs after every ``migrate``."""
    if not InstallationSecret.objects.filter(name=CANARY_NAME).exists():
        installation_secret(CANARY_NAME, lambda: _CANARY_TEXT)


@register
def check_canary(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Open what was sealed when the database was made.

    Before the first ``migrate`` there is nothing to open, and nothing is found.
    """
    try:
        if not InstallationSecret.objects.filter(name=CANARY_NAME).exists():
            return []
        installation_secret(CANARY_NAME, lambda: _CANARY_TEXT)
    except (OperationalError, ProgrammingError):
        return []
    except SecretUnreadableError:
        return [
            Error(
                "FIELD_ENCRYPTION_KEY does not open the secrets in this database.",
                hint="Start with the key they were sealed with (it may stand second, after a "
                "newer one), or point DATABASE_URL to the database that belongs to this key.",
                id="secrets_vault.E001",
            )
        ]
    return []


@register
def check_keys_differ(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Keep the two keys apart: SECRET_KEY signs what goes to browsers, and is rotated alone."""
    if settings.SECRET_KEY not in settings.FIELD_ENCRYPTION_KEY:
        return []
    return [
        Error(
            "FIELD_ENCRYPTION_KEY and SECRET_KEY are the same.",
            hint="Give SECRET_KEY a value of its own; that only ends the browser sessions.",
            id="secrets_vault.E002",
        )
    ]
