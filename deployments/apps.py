"""Start-up of the deployments app: tell the vault and the datasets what they must know of us."""

from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """Registers key kinds and "in use by" with the apps below, which never import this one."""

    name = "deployments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Importing the checks registers them.
        from deployments import checks, finalizers, registration  # noqa: F401

        registration.register()
        finalizers.connect()
