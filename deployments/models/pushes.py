"""What is to be put on the Hugging Face Hub, and how far that is."""

import uuid

from django.db import models


class HubPush(models.Model):
    """One artifact that its owner wants in one repository of the Hub; asked again, it is redone.

    ``version`` is raised by whoever takes the work, and fences what they write: only the newest
    may. ``next_try_at`` is when to begin, or, while somebody uploads, when they count as dead;
    None: nothing is to be done.
    """

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued"
        UPLOADING = "uploading"
        PUSHED = "pushed"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    artifact = models.ForeignKey(
        "deployments.Artifact", on_delete=models.PROTECT, related_name="pushes"
    )
    repo_id = models.CharField(max_length=200)
    private = models.BooleanField(default=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    files_done = models.PositiveIntegerField(default=0)
    files_total = models.PositiveIntegerField(default=0)
    url = models.CharField(max_length=500, blank=True, default="")
    commit = models.CharField(max_length=64, blank=True, default="")
    error = models.JSONField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One row for an artifact in a repository."""

        db_table = "hub_pushes"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["artifact", "repo_id"], name="one_push_to_a_repository")
        ]
        indexes = [
            # Asked each second: it holds only those that are not over.
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(next_try_at__isnull=False),
                name="hub_pushes_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.artifact_id} to {self.repo_id}: {self.state}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it unless it is asked for again."""
        return self.state in (self.State.PUSHED, self.State.FAILED)
