"""Django's admin without the models that would run code or hand out sign-ins."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.db.models import Model
from django.db.models.base import ModelBase

# T23: a schedule of django-q2 calls any dotted path, and its tasks hold pickles.
KEPT_OUT = frozenset({"django_q"})


class SlipwayAdminSite(admin.AdminSite):
    """The one admin site; apps that must not be in it register in vain."""

    site_header = site_title = "Slipway"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[admin.ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        models = (
            [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else model_or_iterable
        )
        allowed = [model for model in models if _app_of(model) not in KEPT_OUT]
        super().register(allowed, admin_class, **options)


def _app_of(model: type[Model]) -> str:
    return model._meta.app_label  # noqa: SLF001  # Django's documented Model._meta API


class SlipwayAdminConfig(AdminConfig):
    """Takes the place of ``django.contrib.admin``."""

    default_site = "config.admin_site.SlipwayAdminSite"
