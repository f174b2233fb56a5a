"""API tokens, sign-ins, first answers, limits, the installation's name, and the audit trail."""

import uuid
from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models
from django.db.models.base import ModelBase
from django.utils import timezone


class ApiToken(models.Model):
    """A program's sign-in: only the SHA-256 of the token is kept, so a dump opens nothing (T8)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"


class SignIn(models.Model):
    """Who a session of Django's belongs to, and from where: it goes when the session goes (T14).

    Written by ``core.sessions`` alone, when somebody signs in and then every few minutes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins"
    )
    session = models.OneToOneField(
        "sessions.Session", on_delete=models.CASCADE, related_name="sign_in"
    )
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    user_agent = models.CharField(max_length=300, blank=True, default="")
    address = models.CharField(max_length=45, blank=True, default="")

    class Meta:
        db_table = "sign_ins"
        ordering = ["-last_seen_at", "-id"]

    def __str__(self) -> str:
        return f"sign-in of {self.created_at:%Y-%m-%d %H:%M:%S}"


class FirstAnswer(models.Model):
    """What a request under an Idempotency-Key was answered, for its repeats (F1).

    Written before the request takes effect: ``status`` is null until it is answered. The body is
    kept without the secrets it carried (T26).
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="first_answers"
    )
    # SHA-256 of the key, and of method, address and body.
    key_hash = models.CharField(max_length=64)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True, default="")
    # Set when the request failed in the middle: whether it took effect is not known.
    failed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key_hash"], name="one_answer_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.status or 'no'} answer of {self.created_at:%Y-%m-%d %H:%M:%S}"


class RateWindow(models.Model):
    """How many requests one caller has made in one minute; written by ``core.limits`` alone."""

    subject = models.CharField(max_length=100)
    # Unix time of the minute's beginning.
    started = models.BigIntegerField(db_index=True)
    used = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "rate_windows"
        constraints = [
            models.UniqueConstraint(fields=["subject", "started"], name="one_row_per_minute")
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.used}"


class Installation(models.Model):
    """The one row that names this installation; machine names begin with it (D1, F70)."""

    slug = models.CharField(max_length=16)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.slug


class AppendOnlyQuerySet(models.QuerySet["AuditEntry"]):
    """Rows that can be added and read, and nothing else."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are append-only.")

    def delete(self) -> NoReturn:
        raise TypeError("Audit entries are append-only.")


class AuditEntry(models.Model):
    """Who did what to which object, and when; written once, never changed (I19, T15)."""

    # The entry outlives its user unchanged: no constraint, no cascade, and the name beside the id.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="+",
    )
    who = models.CharField(max_length=150)
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager["AuditEntry"]] = AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["object_type", "object_id"], name="audit_by_object")]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.who} {self.action} {self.object_type} {self.object_id}"

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        if not self._state.adding:
            raise TypeError("Audit entries are append-only.")
        super().save(force_insert=True, using=using)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are append-only.")
