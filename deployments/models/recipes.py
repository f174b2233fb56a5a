"""What to train: base model, method, dataset and settings, as the user keeps them."""

import uuid

from django.conf import settings
from django.db import models


class TrainingConfig(models.Model):
    """A named recipe. A deployment freezes a copy of it in its job."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="training_configs"
    )
    name = models.CharField(max_length=120)
    base_model = models.CharField(max_length=300)
    method = models.CharField(max_length=10, default="sft")
    dataset = models.ForeignKey(
        "datasets.Dataset", on_delete=models.PROTECT, related_name="training_configs"
    )
    hyperparameters = models.JSONField(default=dict, blank=True)
    eval = models.JSONField(default=dict, blank=True)
    export = models.JSONField(default=dict, blank=True)
    budget_limit = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Newest first, as every list of ours."""

        db_table = "training_configs"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name
