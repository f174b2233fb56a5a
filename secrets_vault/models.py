"""Sealed secrets: the keys users lend us, and the ones this installation made for itself."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from secrets_vault.fields import SecretField
from secrets_vault.kinds import provider_choices


class VaultEntryManager(models.Manager["VaultEntry"]):
    """Rows without the sealed column: a list of keys opens none of them."""

    def get_queryset(self) -> models.QuerySet["VaultEntry"]:
        return super().get_queryset().defer("api_key_encrypted")

    def active(self) -> models.QuerySet["VaultEntry"]:
        """Return the entries that are not deleted."""
        return self.get_queryset().filter(deleted_at__isnull=True)


class VaultEntry(models.Model):
    """One user's key for one provider. The sealed text names both, so rows cannot be swapped (T8).

    Read the key with ``services.open_secret`` only: the field holds the bound text, not the key.
    A deleted entry keeps its row, since machines it rented refer to it, and loses the key.
    """

    class Status(models.TextChoices):
        """What the last check with the provider said."""

        UNCHECKED = "unchecked", "Not checked"
        OK = "ok", "Works"
        REFUSED = "refused", "Refused"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="vault_entries"
    )
    provider = models.CharField(max_length=32, choices=provider_choices)
    label = models.CharField(max_length=100, blank=True, default="")
    # Which of several of a kind, such as a machine's name; "" where a user has one key.
    name = models.CharField(max_length=64, blank=True, default="")
    api_key_encrypted = SecretField(editable=False, null=True)
    hint = models.CharField(max_length=4, blank=True, default="")
    fingerprint = models.CharField(max_length=16)
    status = models.CharField(max_length=16, choices=Status, default=Status.UNCHECKED)
    status_message = models.CharField(max_length=300, blank=True, default="")
    last_checked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[VaultEntryManager] = VaultEntryManager()

    class Meta:
        db_table = "secrets_vault"
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "vault entries"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "provider", "name"],
                condition=models.Q(deleted_at__isnull=True),
                name="one_key_per_provider",
            )
        ]

    def __str__(self) -> str:
        if self.name:
            return f"{self.provider} machine {self.name}"
        return f"{self.provider} key {self.hint and '...'}{self.hint or self.fingerprint}"


class InstallationSecret(models.Model):
    """A secret this installation made for itself, such as its SSH key pair."""

    name = models.CharField(max_length=100, unique=True)
    value = SecretField(editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "installation_secrets"

    def __str__(self) -> str:
        return self.name
