"""The queue has no admin."""

from django.apps import apps
from django.contrib import admin
from django.db.models import Model


def hide_queue() -> None:
    """T23: the queue's own admin lets staff call any function by name, so it is taken away."""
    models: list[type[Model]] = list(apps.get_app_config("django_q").get_models())
    for model in models:
        if admin.site.is_registered(model):
            admin.site.unregister(model)
