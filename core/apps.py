"""What every app needs and no app owns."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Errors, API tokens, audit, the installation's name."""

    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core.api import schema  # noqa: F401  # importing describes Bearer tokens to OpenAPI
