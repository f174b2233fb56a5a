"""Everything a run leaves behind, to look at."""

from django.contrib import admin

from deployments.admin.read_only import ReadOnlyAdmin
from deployments.models import (
    Artifact,
    Checkpoint,
    CloudSnapshot,
    Draft,
    Event,
    HubPush,
    LogLine,
    Metric,
    MetricBucket,
    PacerSlot,
    RunState,
    Sample,
    SampleAnswer,
    Stray,
    TrainingConfig,
    TrainingJob,
    WorkerHeartbeat,
)


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


@admin.register(Draft)
class DraftAdmin(ReadOnlyAdmin):
    """Runs being set up."""

    list_display = ("id", "name", "user", "version", "updated_at")
    list_select_related = ("user",)
    search_fields = ("=id", "name", "user__username")


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


@admin.register(MetricBucket)
class MetricBucketAdmin(ReadOnlyAdmin):
    """What is drawn of the metrics."""

    list_display = ("job_id", "name", "start", "width", "count", "last", "last_at")
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


@admin.register(HubPush)
class HubPushAdmin(ReadOnlyAdmin):
    """What goes to the Hugging Face Hub."""

    list_display = ("repo_id", "artifact_id", "state", "files_done", "files_total", "finished_at")
    list_filter = ("state",)
    search_fields = ("=artifact__job__id", "repo_id", "=commit")


@admin.register(Sample)
class SampleAdmin(ReadOnlyAdmin):
    """The prompts that runs answer as they learn."""

    list_display = ("job_id", "number", "prompt", "at")
    search_fields = ("=job__id", "prompt")


@admin.register(SampleAnswer)
class SampleAnswerAdmin(ReadOnlyAdmin):
    """What was answered at each evaluation."""

    list_display = ("sample", "step", "answer", "at")
    list_select_related = ("sample",)
    search_fields = ("=sample__job__id", "answer")


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
