"""Start-up of the notifications app."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """The outbox, webhooks and mail."""

    name = "notifications"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Importing registers the checks.
        from notifications import checks  # noqa: F401
