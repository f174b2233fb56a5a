"""The secrets vault."""

from django.apps import AppConfig


class SecretsVaultConfig(AppConfig):
    """Sealed provider keys and installation secrets."""

    name = "secrets_vault"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "secrets vault"

    def ready(self) -> None:
        from secrets_vault import checks  # noqa: F401  # importing registers the check
