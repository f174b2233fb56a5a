"""The admin: everything can be looked at, nothing edited; the one thing to do is stop (F84).

Sealed keys are not shown, not even by way of a foreign key: loading a vault entry would open it.
"""

from typing import Any, ClassVar

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from deployments import services
from deployments.models import (
    Artifact,
    Checkpoint,
    CloudSnapshot,
    Deployment,
    Event,
    LogLine,
    Machine,
    Metric,
    PacerSlot,
    RunState,
    Stray,
    TrainingConfig,
    TrainingJob,
    WorkerHeartbeat,
)


class LookOnly:
    """Nobody adds, changes or deletes, whatever their permissions."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# Generic in the stubs only.
class ReadOnlyAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list with search and a page per row."""

    show_full_result_count = False
    list_per_page = 50


class ReadOnlyInline(LookOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows of another table on a row's page."""

    extra = 0
    show_change_link = True


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


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Deployments; ``stop`` asks for the end, as their owners can."""

    list_display = ("name", "user", "platform", "status", "desired", "budget_limit", "created_at")
    list_filter = ("status", "platform", "desired")
    list_select_related = ("user",)
    search_fields = ("=id", "name", "=deployment_id", "user__username")
    exclude = ("vault_entry",)
    inlines: ClassVar[Any] = [MachineInline, EventInline]
    actions = ("stop", "stop_without_saving")

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Whoever may change deployments may stop them; that is all they may do here."""
        return request.user.has_perm("deployments.change_deployment")

    @admin.action(description="Stop: save, then end the machines", permissions=["stop"])
    def stop(self, request: HttpRequest, chosen: QuerySet[Deployment]) -> None:
        self._stop(request, chosen, save=True)

    @admin.action(description="Stop without saving", permissions=["stop"])
    def stop_without_saving(self, request: HttpRequest, chosen: QuerySet[Deployment]) -> None:
        self._stop(request, chosen, save=False)

    def _stop(self, request: HttpRequest, chosen: QuerySet[Deployment], *, save: bool) -> None:
        if not isinstance(request.user, User):
            return
        live = [deployment for deployment in chosen if not deployment.is_terminal]
        for deployment in live:
            services.cancel(deployment, requested_by=request.user, save=save)
        messages.info(request, f"Asked {len(live)} to stop; they are over once they are terminal.")


@admin.register(Machine)
class MachineAdmin(ReadOnlyAdmin):
    """Rented machines and launches that came to nothing."""

    list_display = (
        "name",
        "instance_type",
        "region",
        "launch_state",
        "seen_status",
        "requested_at",
        "gone_at",
        "billed_usd",
    )
    list_filter = (
        "launch_state",
        "seen_status",
        "platform",
        ("gone_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("name", "=instance_id", "=seen_ip")
    exclude = ("vault_entry",)


@admin.register(TrainingJob)
class TrainingJobAdmin(ReadOnlyAdmin):
    """What is trained."""

    list_display = ("name", "user", "model_name", "status", "created_at", "completed_at")
    list_filter = ("status",)
    list_select_related = ("user",)
    search_fields = ("=id", "name", "model_name", "user__username")
    exclude = ("job_token",)


@admin.register(TrainingConfig)
class TrainingConfigAdmin(ReadOnlyAdmin):
    """Recipes as their owners keep them."""

    list_display = ("name", "user", "base_model", "method", "budget_limit", "updated_at")
    list_filter = ("method",)
    list_select_related = ("user",)
    search_fields = ("=id", "name", "base_model", "user__username")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """The stories of all deployments, newest first."""

    list_display = ("at", "deployment_id", "kind", "message", "from_status", "to_status")
    list_filter = ("kind",)
    search_fields = ("=deployment__id", "message")
    ordering = ("-id",)


@admin.register(RunState)
class RunStateAdmin(ReadOnlyAdmin):
    """How far each machine's run log was read, and what it says now."""

    list_display = ("machine", "phase", "step", "total_steps", "accepted_through", "news_at")
    list_filter = ("phase",)
    list_select_related = ("machine",)
    search_fields = ("machine__name",)


@admin.register(Metric)
class MetricAdmin(ReadOnlyAdmin):
    """Metric values."""

    list_display = ("job_id", "name", "step", "value", "at")
    search_fields = ("=job__id", "=name")
    ordering = ("-id",)


@admin.register(LogLine)
class LogLineAdmin(ReadOnlyAdmin):
    """Lines of the run logs."""

    list_display = ("at", "job_id", "level", "source", "text")
    list_filter = ("level",)
    search_fields = ("=job__id", "text")
    ordering = ("-id",)


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    """Checkpoints that machines have told of."""

    list_display = ("job_id", "step", "path", "size_bytes", "at")
    search_fields = ("=job__id",)


@admin.register(Artifact)
class ArtifactAdmin(ReadOnlyAdmin):
    """What is home."""

    list_display = ("name", "job_id", "kind", "size_bytes", "sha256", "saved_at")
    list_filter = ("kind",)
    search_fields = ("=id", "=job__id", "=sha256")


@admin.register(CloudSnapshot)
class CloudSnapshotAdmin(ReadOnlyAdmin):
    """The newest list of each cloud key."""

    list_display = ("vault_entry_id", "listed_at", "good_lists", "suspect_lists", "failed_since")
    exclude = ("vault_entry",)


@admin.register(PacerSlot)
class PacerSlotAdmin(ReadOnlyAdmin):
    """When the next request under each cloud key may go out."""

    list_display = ("vault_entry_id", "next_request_at", "next_launch_at")
    exclude = ("vault_entry",)


@admin.register(Stray)
class StrayAdmin(ReadOnlyAdmin):
    """Machines with our prefix that no row wants."""

    list_display = ("name", "instance_id", "first_seen_at", "terminated_at", "gone_at")
    list_filter = (("gone_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "=instance_id")
    exclude = ("vault_entry",)


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin):
    """Signs of life of the workers."""

    list_display = ("name", "beat_at")


def hide_queue() -> None:
    """T23: the queue's own admin lets staff call any function by name, so it is taken away."""
    models: list[type[Model]] = list(apps.get_app_config("django_q").get_models())
    for model in models:
        if admin.site.is_registered(model):
            admin.site.unregister(model)


hide_queue()
