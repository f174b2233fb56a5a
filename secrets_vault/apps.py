"""The secrets vault."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SecretsVaultConfig(AppConfig):
    """Sealed provider keys and installation secrets."""

    name = "secrets_vault"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "secrets vault"

    def ready(self) -> None:
        # Importing registers the checks.
        from secrets_vault import checks

        post_migrate.connect(checks.place_canary, sender=self)
