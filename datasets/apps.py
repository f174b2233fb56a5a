"""Training data."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    """Uploaded data, its findings, and its signed download."""

    name = "datasets"
    default_auto_field = "django.db.models.BigAutoField"
