"""System checks of the mail settings: said at the start, with a hint."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004  # Django's name

_HERE = ("localhost", "127.0.0.1", "::1")


@register
def check_mail(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """T7: names and passwords of mail travel encrypted, or stay on this machine."""
    encrypted = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    found: list[CheckMessage] = []
    if not settings.MAIL_IS_SET_UP:
        return found
    if not encrypted and settings.EMAIL_HOST not in _HERE:
        found.append(
            Warning(
                f"Mail goes to {settings.EMAIL_HOST} unencrypted.",
                hint="Begin EMAIL_URL with smtp+tls:// or smtp+ssl://.",
                id="notifications.W001",
            )
        )
    if settings.DEFAULT_FROM_EMAIL.endswith("@localhost"):
        found.append(
            Warning(
                "Mail goes out from slipway@localhost, which most servers refuse.",
                hint="Set MAIL_FROM to an address that may send through your server.",
                id="notifications.W002",
            )
        )
    return found
