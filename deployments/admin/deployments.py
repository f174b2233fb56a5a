"""Deployments in the admin: their story, and the few things an operator may do to them (F84)."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from core.errors import SlipwayError
from deployments import operations, services
from deployments.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from deployments.models import Deployment, Event, Machine


class MachineInline(ReadOnlyInline):
    """The machines of a deployment."""

    model = Machine
    fields = (
        "name",
        "instance_type",
        "region",
        "launch_state",
        "seen_status",
        "requested_at",
        "end_wanted_at",
        "gone_at",
        "billed_usd",
    )


class EventInline(ReadOnlyInline):
    """The story of a deployment."""

    model = Event
    fields = ("at", "kind", "message", "from_status", "to_status")


class ReasonForm(ActionForm):
    """The row of actions, with the reason that one of them asks for."""

    reason = forms.CharField(
        required=False,
        max_length=operations.REASON_CHARACTERS,
        label="Reason (to mark resolved):",
    )


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Deployments; an operator can stop them as their owners can, and never sets a state."""

    list_display = (
        "name",
        "user",
        "platform",
        "status",
        "desired",
        "attention_says",
        "budget_limit",
        "created_at",
    )
    list_filter = (
        ("attention", admin.EmptyFieldListFilter),
        "status",
        "platform",
        "desired",
    )
    list_select_related = ("user",)
    search_fields = ("=id", "name", "=deployment_id", "user__username")
    exclude = ("vault_entry", "other_keys")
    inlines: ClassVar[Any] = [MachineInline, EventInline]
    action_form = ReasonForm
    actions = ("stop", "stop_without_saving", "retry_collect", "mark_resolved")

    @admin.display(description="asks for attention", empty_value="")
    def attention_says(self, deployment: Deployment) -> str | None:
        """Return what a person should look at, in words."""
        notice = deployment.attention
        return f"{notice.get('code')}: {notice.get('message')}" if notice else None

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whoever may change deployments may do these; that is all they may do here."""
        return request.user.has_perm("deployments.change_deployment")

    @admin.action(description="Stop: save, then end the machines", permissions=["act"])
    def stop(self, request: HttpRequest, chosen: QuerySet[Deployment]) -> None:
        self._stop(request, chosen, save=True)

    @admin.action(description="Stop without saving", permissions=["act"])
    def stop_without_saving(self, request: HttpRequest, chosen: QuerySet[Deployment]) -> None:
        self._stop(request, chosen, save=False)

    @admin.action(description="Try collecting again now", permissions=["act"])
    def retry_collect(self, request: HttpRequest, chosen: QuerySet[Deployment]) -> None:
        def retry(deployment: Deployment, user: User) -> None:
            operations.retry_collect(deployment, requested_by=user)

        self._for_each(request, chosen, retry, done="Trying now to bring {} home.")

    @admin.action(description="Mark resolved, for the reason given", permissions=["act"])
    def mark_resolved(self, request: HttpRequest, chosen: QuerySet[Deployment]) -> None:
        reason = request.POST.get("reason", "")

        def resolve(deployment: Deployment, user: User) -> None:
            operations.resolve_attention(deployment, requested_by=user, reason=reason)

        self._for_each(request, chosen, resolve, done="{} no longer asks for attention.")

    def _stop(self, request: HttpRequest, chosen: QuerySet[Deployment], *, save: bool) -> None:
        def cancel(deployment: Deployment, user: User) -> None:
            services.cancel(deployment, requested_by=user, save=save)

        live = [deployment for deployment in chosen if not deployment.is_terminal]
        self._for_each(request, live, cancel, done="Asked {} to stop; it is over once terminal.")

    def _for_each(
        self,
        request: HttpRequest,
        chosen: QuerySet[Deployment] | list[Deployment],
        act: Callable[[Deployment, User], None],
        *,
        done: str,
    ) -> None:
        """Do it to each, and say of each what became of it."""
        if not isinstance(request.user, User):
            return
        for deployment in chosen:
            try:
                act(deployment, request.user)
            except SlipwayError as error:
                messages.error(request, f"{error.message} {error.remedy}".strip())
            else:
                messages.success(request, done.format(deployment.name))
