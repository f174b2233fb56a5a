"""What users do with their webhooks. A secret is shown once, when it is made (T26)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from core import audit, outbound
from core.errors import ConflictError, InvalidInputError
from core.time import database_now
from notifications import kinds, outbox, sealed, signing
from notifications.models import Message, Webhook
from notifications.outbox import News

MAX_WEBHOOKS = 20
# How long messages are signed with the old secret as well.
ROTATION = timedelta(hours=24)


def add(user: User, *, url: str, wanted: Sequence[str] = kinds.NAMES) -> tuple[Webhook, str]:
    """Keep a webhook and return it with its signing secret, which is shown this once.

    Raises: InvalidInputError for an address that may not be asked or an unknown kind;
    ConflictError when the user has as many as anybody may.
    """
    _check_url(url)
    if Webhook.objects.filter(user=user).count() >= MAX_WEBHOOKS:
        raise ConflictError(
            f"You have {MAX_WEBHOOKS} webhooks already.", remedy="Delete one you do not use."
        )
    secret = signing.new_secret()
    pk = uuid4()
    fields: dict[str, Any] = {"secret": sealed.seal(pk, secret), "kinds": _checked(wanted)}
    with transaction.atomic():
        webhook = Webhook.objects.create(
            pk=pk, user=user, url=url, created_at=database_now(), **fields
        )
        audit.record("webhook.added", actor=user, obj=webhook, url=webhook.origin)
    # Read again: what is handed out holds no sealed text.
    return Webhook.objects.get(pk=webhook.pk), secret


def change(
    webhook: Webhook,
    *,
    actor: User,
    url: str | None = None,
    wanted: Sequence[str] | None = None,
    is_enabled: bool | None = None,
) -> Webhook:
    """Change what is given; what waits for a webhook that is switched off is given up."""
    changes: dict[str, Any] = {}
    if url is not None:
        _check_url(url)
        changes["url"] = url
    if wanted is not None:
        changes["kinds"] = _checked(wanted)
    if is_enabled is not None and is_enabled != webhook.is_enabled:
        changes |= {"is_enabled": is_enabled, "switched_off_because": ""}
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(**changes)
        if is_enabled is False:
            outbox.bury_waiting(webhook, now=database_now())
        audit.record("webhook.changed", actor=actor, obj=webhook, fields=sorted(changes))
    return Webhook.objects.get(pk=webhook.pk)


def rotate(webhook: Webhook, *, actor: User) -> tuple[Webhook, str]:
    """Make a new secret; for a day the old one signs beside it."""
    secret = signing.new_secret()
    with transaction.atomic():
        mine = Webhook.objects.select_for_update().filter(pk=webhook.pk)
        changes: dict[str, Any] = {
            "secret": sealed.seal(webhook.pk, secret),
            "previous_secret": mine.values_list("secret", flat=True).get(),
            "previous_until": database_now() + ROTATION,
        }
        mine.update(**changes)
        audit.record("webhook.secret_rotated", actor=actor, obj=webhook)
    return Webhook.objects.get(pk=webhook.pk), secret


def delete(webhook: Webhook, *, actor: User) -> None:
    """Forget a webhook and its messages."""
    with transaction.atomic():
        audit.record("webhook.deleted", actor=actor, obj=webhook, url=webhook.origin)
        Webhook.objects.filter(pk=webhook.pk).delete()


def send_test(webhook: Webhook) -> Message:
    """Write a test message, whatever kinds were chosen; the worker sends it like any other.

    Raises: ConflictError while the webhook is switched off, or another test waits.
    """
    if not webhook.is_enabled:
        raise ConflictError("This webhook is switched off.", remedy="Switch it on first.")
    if webhook.messages.filter(kind=kinds.TEST, status=Message.Status.WAITING).exists():
        raise ConflictError(
            "A test is on its way already.", remedy="See among the deliveries what comes of it."
        )
    now = database_now()
    data = {"message": "A test: whoever reads this is told of your runs."}
    message = outbox.to_webhook(webhook, News(kinds.TEST, now, "", "", data))
    message.save(force_insert=True)
    return message


def _check_url(url: str) -> None:
    outbound.target_of(url, rules=settings.WEBHOOK_RULES)


def _checked(wanted: Sequence[str]) -> list[str]:
    unknown = [name for name in wanted if name not in kinds.NAMES]
    if unknown or not wanted:
        raise InvalidInputError(
            f"There is no kind {unknown[0]!r}." if unknown else "No kind is chosen.",
            remedy=f"Choose among {', '.join(kinds.NAMES)}.",
            param="kinds",
        )
    return [name for name in kinds.NAMES if name in wanted]
