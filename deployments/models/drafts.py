"""A run being set up in the wizard: kept step by step until it is started."""

import uuid

from django.conf import settings
from django.db import models


class Draft(models.Model):
    """What somebody has chosen so far. It starts nothing and may be half done or wrong.

    ``values`` holds what each step saved (``deployments.drafts`` names the keys; decimals are
    texts). ``version`` counts the saves, so that Start can tell a draft that changed meanwhile.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts"
    )
    name = models.CharField(max_length=120, blank=True, default="")
    dataset = models.ForeignKey(
        "datasets.Dataset",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="drafts",
    )
    values = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        """Last touched first."""

        db_table = "drafts"
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return self.name or "New run"
