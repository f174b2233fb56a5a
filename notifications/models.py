"""Webhooks, what each user wants mailed, and the outbox."""

import uuid
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models

from secrets_vault.fields import SecretField

MAIL = "mail"


class WebhookManager(models.Manager["Webhook"]):
    """Rows without the sealed columns: a list of webhooks opens no secret."""

    def get_queryset(self) -> models.QuerySet["Webhook"]:
        return super().get_queryset().defer("secret", "previous_secret")


class Webhook(models.Model):
    """An https address of a user's that is told of news; ``kinds`` are names of ``kinds.KINDS``.

    The sealed texts name the row (T8); ``webhooks.secrets_of`` opens them. The previous secret
    signs beside the present one until ``previous_until``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.CharField(max_length=500)
    kinds = models.JSONField(default=list)
    is_enabled = models.BooleanField(default=True)
    # Why Slipway switched it off by itself; empty when it did not.
    switched_off_because = models.CharField(max_length=300, blank=True, default="")
    secret = SecretField(editable=False)
    previous_secret = SecretField(editable=False, null=True)
    previous_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    objects: ClassVar[WebhookManager] = WebhookManager()

    class Meta:
        db_table = "webhooks"
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.origin

    @property
    def origin(self) -> str:
        """The address without path and query: those may hold a secret of the receiver's."""
        return f"https://{urlsplit(self.url).netloc}"


class MailChoice(models.Model):
    """What a user wants mailed; without a row, what ``kinds.MAILED`` says."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="mail_choice",
    )
    kinds = models.JSONField(default=list)

    class Meta:
        db_table = "mail_choices"

    def __str__(self) -> str:
        return f"{len(self.kinds)} kinds"


class Message(models.Model):
    """One message to one receiver: the outbox (D6). Written with the news, sent by the worker.

    ``receiver`` is the webhook's id, or "mail". ``in_hand``: a worker tries it now, until
    ``next_try_at`` at the latest; a try that is cut off is made again (at least once, I9).
    """

    class Status(models.TextChoices):
        """Every message comes to be sent or dead."""

        WAITING = "waiting"
        SENT = "sent"
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, null=True, related_name="messages"
    )
    receiver = models.CharField(max_length=36)
    address = models.EmailField(blank=True, default="")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, blank=True, default="")
    # Exactly what is sent: the JSON that is signed, or the text of the mail.
    body = models.TextField()

    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    in_hand = models.BooleanField(default=False)
    next_try_at = models.DateTimeField(null=True)
    answer_status = models.PositiveSmallIntegerField(null=True)
    problem = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "outbox"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(status="waiting"),
                name="messages_that_wait",
            ),
            models.Index(fields=["receiver", "settled_at"], name="messages_that_are_over"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.receiver}"

    @property
    def public_id(self) -> str:
        """The id that receivers see; the same on every try, so that they can drop repeats."""
        return f"msg_{self.pk.hex}"
