"""What every app needs and no app owns."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class CoreConfig(AppConfig):
    """Errors, API tokens, repeats, limits, audit, the installation's name."""

    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core import middleware
        from core.api import schema  # noqa: F401  # importing describes Bearer tokens to OpenAPI

        user_logged_in.connect(middleware.note_sign_in, dispatch_uid="core.note_sign_in")
