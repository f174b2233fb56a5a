"""Signing secrets as they stand in the rows: sealed, and bound to their webhook (T8)."""

from uuid import UUID

from core.time import database_now
from notifications.models import Webhook
from secrets_vault import sealing


def seal(webhook_id: UUID, secret: str) -> str:
    """Return the text for the row's sealed column."""
    return sealing.bind(secret, webhook=str(webhook_id))


def secrets_of(webhook: Webhook) -> list[str]:
    """Return the secrets that sign now, the newest first; never store or log them.

    Raises: SecretUnreadableError when one does not open or was sealed for another row (F80, T8).
    """
    rows = Webhook.objects.filter(pk=webhook.pk)
    present, previous, until = rows.values_list("secret", "previous_secret", "previous_until").get()
    bound = [present]
    if previous is not None and until is not None and until > database_now():
        bound.append(previous)
    return [sealing.unbind(each, "The webhook's secret", webhook=str(webhook.pk)) for each in bound]
