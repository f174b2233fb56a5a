"""Limits in the admin, the one thing that is edited there, and the kill switch (T20)."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from core import audit, confirmation
from core.errors import SlipwayError
from core.time import database_now
from deployments import kill_switch, spending
from deployments.models import SpendingLimits, UserLimits
from deployments.models.limits import THE_ROW


class ReasonForm(ActionForm):
    """The row of actions, with the reason that everybody will read."""

    reason = forms.CharField(
        required=False,
        max_length=kill_switch.REASON_CHARACTERS,
        label="Reason (to turn the kill switch on):",
    )


# Generic in the stubs only.
class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Limits are changed under a fresh password (T14), and each change has its audit row."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not confirmation.is_fresh(request):
            return _ask_for_password(request)
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            self._record(
                request, obj, {name: str(getattr(obj, name)) for name in form.changed_data}
            )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            self._record(request, obj, {"deleted": str(obj)})
            super().delete_model(request, obj)

    def _record(self, request: HttpRequest, obj: Any, changes: dict[str, str]) -> None:
        actor = request.user if isinstance(request.user, User) else None
        audit.record("limits.change", actor=actor, obj=obj, **changes)


@admin.register(UserLimits)
class UserLimitsAdmin(AuditedAdmin):
    """Users with limits of their own."""

    list_display = ("user", "monthly_usd", "max_machines")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    autocomplete_fields = ("user",)
    actions = None


@admin.register(SpendingLimits)
class SpendingLimitsAdmin(AuditedAdmin):
    """The installation's limits and its kill switch; the row is there from the first look on."""

    change_list_template = "admin/deployments/spendinglimits/change_list.html"
    list_display = (
        "__str__",
        "daily_usd",
        "max_machines",
        "user_monthly_usd",
        "user_max_machines",
        "launches_blocked_at",
    )
    readonly_fields = ("launches_blocked_at", "launches_blocked_by", "launches_blocked_reason")
    action_form = ReasonForm
    actions = ("stop_everything", "save_and_stop_everything", "allow_launches")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SpendingLimits]:
        SpendingLimits.objects.get_or_create(pk=THE_ROW)
        return super().get_queryset(request)

    @admin.action(
        description="Kill switch ON: stop every run at once, saving nothing", permissions=["change"]
    )
    def stop_everything(self, request: HttpRequest, chosen: QuerySet[SpendingLimits]) -> None:
        self._turn_on(request, save=False)

    @admin.action(
        description="Kill switch ON: let every run save first, then stop it", permissions=["change"]
    )
    def save_and_stop_everything(
        self, request: HttpRequest, chosen: QuerySet[SpendingLimits]
    ) -> None:
        self._turn_on(request, save=True)

    @admin.action(description="Kill switch OFF: allow launches again", permissions=["change"])
    def allow_launches(
        self, request: HttpRequest, chosen: QuerySet[SpendingLimits]
    ) -> HttpResponse | None:
        if not confirmation.is_fresh(request):
            return _ask_for_password(request)
        was_on = kill_switch.turn_off(actor=_actor(request))
        said = "Launches are allowed again." if was_on else "The kill switch was off already."
        messages.success(request, said)
        return None

    def _turn_on(self, request: HttpRequest, *, save: bool) -> None:
        reason = request.POST.get("reason", "")
        try:
            living = kill_switch.turn_on(actor=_actor(request), reason=reason, save=save)
        except SlipwayError as error:
            messages.error(request, f"{error.message} {error.remedy}")
        else:
            messages.success(request, f"Launches are blocked; runs asked to stop: {living}.")

    def get_urls(self) -> list[URLPattern]:
        committed = self.admin_site.admin_view(self.committed)
        name = "deployments_spendinglimits_committed"
        return [path("committed/", committed, name=name), *super().get_urls()]

    def committed(self, request: HttpRequest) -> TemplateResponse:
        """Show what is spent and kept, by user, beside the caps."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Spent and kept against the caps",
            "opts": self.opts,
            "sheet": spending.sheet(now=database_now()),
        }
        template = "admin/deployments/spendinglimits/committed.html"
        return TemplateResponse(request, template, context)


def _actor(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _ask_for_password(request: HttpRequest) -> HttpResponse:
    """Lead to the password page and back; what was sent is sent again by its reader."""
    messages.warning(request, "Confirm your password first, then do it again.")
    return redirect(f"{reverse('deployments:confirm')}?{urlencode({'next': request.path})}")
