"""Datasets in Django's admin, to look at. The download tokens are not shown at all."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from datasets.models import Dataset


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
    """What was uploaded and what was found; not the data itself."""

    list_display = ("name", "user", "status", "format", "rows", "size_bytes", "created_at")
    list_filter = ("status", "format")
    search_fields = ("name", "user__username", "sha256")
    exclude = ("findings",)
