"""Uploaded training data and the tokens by which machines fetch it."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class DatasetManager(models.Manager["Dataset"]):
    """All datasets, or the ``active`` ones."""

    def active(self) -> models.QuerySet["Dataset"]:
        """Return the datasets that are not deleted."""
        return self.get_queryset().filter(deleted_at__isnull=True)


class Dataset(models.Model):
    """An uploaded file and what we found in it. Files never change; a new upload is a new row.

    Paths are relative to the data folder. Only a ``ready`` one can be trained on. A deleted one
    keeps its row, since the jobs it served name its sha256 and row count, and loses its files.
    """

    class Status(models.TextChoices):
        """Whether the data can be trained on."""

        CHECKING = "checking", "Being checked"
        READY = "ready", "Ready"
        INVALID = "invalid", "Has errors"

    class Format(models.TextChoices):
        """The shape of the normalised rows."""

        CHAT = "chat", "Chat"
        PROMPT_COMPLETION = "prompt_completion", "Prompt and completion"
        TEXT = "text", "Text"
        PREFERENCE = "preference", "Preference"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="datasets"
    )
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status, default=Status.CHECKING)
    format = models.CharField(max_length=32, choices=Format, blank=True, default="")
    rows = models.PositiveIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(null=True, blank=True, help_text="An estimate.")
    row_lengths = models.JSONField(
        null=True, blank=True, help_text="As datasets.lengths writes it; null if not measured."
    )
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    storage_path = models.CharField(max_length=255)
    normalised_path = models.CharField(max_length=255, blank=True, default="")
    normalised_sha256 = models.CharField(max_length=64, blank=True, default="")
    normalised_size_bytes = models.PositiveBigIntegerField(default=0)
    mapping = models.JSONField(null=True, blank=True)
    findings = models.JSONField(default=list)
    finding_totals = models.JSONField(default=dict)
    methods = models.JSONField(default=list)
    token_counts = models.JSONField(
        default=dict, help_text="Row lengths by tokeniser, as datasets.counting writes them."
    )
    checked_bytes = models.PositiveBigIntegerField(default=0)
    check_attempts = models.PositiveSmallIntegerField(default=0)
    next_check_at = models.DateTimeField(
        null=True, blank=True, help_text="When a worker may take its check; null if none is due."
    )
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[DatasetManager] = DatasetManager()

    class Meta:
        db_table = "datasets"
        ordering = ["-created_at", "-id"]
        indexes = [
            # The ticker looks each second, and nearly always finds nothing.
            models.Index(
                fields=["next_check_at"],
                name="datasets_to_check",
                condition=models.Q(next_check_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_ready(self) -> bool:
        """Whether it can be trained on."""
        return self.status == self.Status.READY and self.deleted_at is None

    @property
    def is_being_checked(self) -> bool:
        """Whether a worker has yet to say what is in it."""
        return self.status == self.Status.CHECKING and self.deleted_at is None

    @property
    def checked_share(self) -> float | None:
        """How much of the file the check has read, 0 to 1; None unless it is being checked."""
        if not self.is_being_checked:
            return None
        return min(1.0, self.checked_bytes / self.size_bytes) if self.size_bytes else 0.0


class DownloadToken(models.Model):
    """The right of one run to GET one dataset's normalised bytes for a while (T5, I16).

    ``token`` is the SHA-256 of the token; the token itself is never stored.
    """

    token = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="download_tokens")
    run_id = models.CharField(max_length=64, db_index=True)
    storage_path = models.CharField(max_length=255)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "dataset_download_tokens"

    def __str__(self) -> str:
        return f"download for {self.run_id}"
