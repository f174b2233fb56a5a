"""The training job: one frozen recipe on one frozen dataset."""

import uuid

from django.conf import settings
from django.db import models


class TrainingJob(models.Model):
    """What is to be learnt. Its status is that of its newest deployment.

    ``config`` is the frozen recipe: base model, method, hyperparameters and eval settings, every
    default filled in. ``dataset_sha256`` names the bytes trained on (I14).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="training_jobs"
    )
    training_config = models.ForeignKey(
        "deployments.TrainingConfig",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="jobs",
    )
    name = models.CharField(max_length=120)
    model_name = models.CharField(max_length=300)
    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.PROTECT, related_name="jobs")
    dataset_path = models.CharField(max_length=300)
    dataset_sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=30, default="queued")
    # Hash of the newest machine token; ``MachineToken`` is what opens anything.
    job_token = models.CharField(max_length=64, blank=True, default="")
    config = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """The table name is the replaced system's (API.md section 6)."""

        db_table = "local_training_jobs"
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["user", "model_name"], name="jobs_by_model")]

    def __str__(self) -> str:
        return self.name
