"""What is answered: the objects of API.md sections 2 and 3, over the values of ``overview``."""

from typing import Any

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from deployments.api.fields import JsonObject, Usd
from deployments.models import Artifact, Checkpoint, LogLine, TrainingConfig
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview, JobOverview

Answer = serializers.Serializer[Any]


class CostAnswer(Answer):
    """Money in US dollars as text; null is not known."""

    hourly = Usd(allow_null=True, help_text="Of the machine that is rented now, or was last.")
    estimated = Usd(allow_null=True)
    accrued = Usd(help_text="So far, rounded up to the cent.")
    final = Usd(allow_null=True, help_text="Once every machine is proven gone.")
    budget_limit = Usd()
    currency = serializers.CharField()


class ProgressAnswer(Answer):
    """As of the newest step the machine has told of; null is not known."""

    step = serializers.IntegerField(allow_null=True)
    total_steps = serializers.IntegerField(allow_null=True)
    epoch = serializers.FloatField(allow_null=True)
    percent = serializers.FloatField(allow_null=True)
    seconds_remaining = serializers.IntegerField(allow_null=True)


class TroubleAnswer(Answer):
    """What happened and what to do about it."""

    code = serializers.CharField(help_text="Stable, such as E_CAPACITY.")
    message = serializers.CharField()
    remedy = serializers.CharField(default="")


class ErrorAnswer(TroubleAnswer):
    """Why a deployment did not complete, what it cost, and whether anything still bills."""

    cost_usd = serializers.CharField(required=False)
    bills = serializers.BooleanField(required=False)


class GoneProofAnswer(Answer):
    """The cloud's lists in which the machine no longer showed."""

    lists = serializers.IntegerField()
    since = serializers.DateTimeField(help_text="When the first of them was asked for.")
    until = serializers.DateTimeField(help_text="When the last of them was asked for.")


class MachineAnswer(Answer):
    """One rented machine, or one launch that came to nothing."""

    instance_id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    platform = serializers.CharField()
    attempt = serializers.IntegerField(help_text="Which of the run's launches this was.")
    answer = serializers.CharField(
        help_text="What became of the launch: intent, unknown, refused, never_seen or launched."
    )
    refusal = TroubleAnswer(allow_null=True, help_text="Why nothing was started.")
    answered_seconds = serializers.FloatField(
        allow_null=True, help_text="How long the launch took to be answered."
    )
    status = serializers.CharField(
        help_text="requested, refused, never_seen, booting, active, unhealthy, preempted, "
        "terminating, terminated, unknown or gone."
    )
    ip = serializers.CharField(allow_null=True)
    ssh_port = serializers.IntegerField(allow_null=True)
    region = serializers.CharField()
    instance_type = serializers.CharField()
    hourly = Usd()
    requested_at = serializers.DateTimeField(help_text="From here on it is counted as rented.")
    launched_at = serializers.DateTimeField(allow_null=True)
    active_at = serializers.DateTimeField(allow_null=True)
    terminate_requested_at = serializers.DateTimeField(allow_null=True)
    gone_at = serializers.DateTimeField(allow_null=True)
    gone_proof = GoneProofAnswer(allow_null=True)
    billed = Usd(allow_null=True, help_text="Exact; null while it may still bill.")
    cloud_billed = Usd(
        allow_null=True, help_text="What the cloud says it cost; null where it does not tell."
    )


class EventAnswer(Answer):
    """One line of a deployment's story."""

    id = serializers.IntegerField(source="event_id")
    deployment_id = serializers.UUIDField()
    machine = serializers.CharField(allow_null=True, help_text="The machine's name.")
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    message = serializers.CharField()
    from_status = serializers.CharField()
    to_status = serializers.CharField()
    data = JsonObject()  # type: ignore[assignment]  # a field of that name


class FileAnswer(Answer):
    """One file of an artifact or a checkpoint."""

    name = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()


class ArtifactAnswer(serializers.ModelSerializer[Artifact]):
    """Something of the run that is home, checked against its sha256."""

    files = FileAnswer(many=True)
    download_url = serializers.SerializerMethodField()

    class Meta:
        model = Artifact
        fields = (
            "id",
            "deployment_id",
            "job_id",
            "kind",
            "name",
            "size_bytes",
            "sha256",
            "files",
            "saved_at",
            "download_url",
        )

    @extend_schema_field(OpenApiTypes.URI)
    def get_download_url(self, artifact: Artifact) -> str:
        path = reverse("deployments_api:artifact-download", args=[artifact.pk])
        return _absolute(self, path)


class DeploymentAnswer(Answer):
    """A deployment as lists and accepted requests show it."""

    deployment_id = serializers.UUIDField()
    job_id = serializers.UUIDField()
    name = serializers.CharField()
    platform = serializers.CharField(
        help_text="As asked for; of auto, the preferred one. Each machine says where it is."
    )
    status = serializers.ChoiceField(choices=Status.choices)
    phase = serializers.CharField(help_text="The finer step inside the status.")
    instance_id = serializers.CharField(allow_null=True)
    instance_type = serializers.CharField()
    region = serializers.CharField()
    url = serializers.SerializerMethodField(help_text="The address of its page.")
    cost = CostAnswer()
    kept_until = serializers.DateTimeField(
        allow_null=True,
        help_text="How long the failed run's machine stays for you to look at; it bills, and a "
        "DELETE ends it at once. Null: none stays.",
    )
    resume_from = serializers.UUIDField(
        allow_null=True, help_text="The checkpoint that was chosen to go on from."
    )
    created_at = serializers.DateTimeField()

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, overview: DeploymentOverview) -> str:
        return _absolute(self, overview.url)


class DeploymentDetailAnswer(DeploymentAnswer):
    """A deployment with its machines, progress and story."""

    machines = MachineAnswer(many=True)
    progress = ProgressAnswer(allow_null=True)
    metrics = serializers.SerializerMethodField(help_text="The newest value of each by name.")
    attention = TroubleAnswer(allow_null=True)
    error = ErrorAnswer(allow_null=True)
    events = EventAnswer(many=True, help_text="The last 20, in the order they happened.")
    artifacts = ArtifactAnswer(many=True)
    completed_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(
        {"type": "object", "additionalProperties": {"type": "number", "nullable": True}}
    )
    def get_metrics(self, overview: DeploymentOverview) -> dict[str, float | None]:
        return {name: point.value for name, point in overview.metrics.items()}


class JobAnswer(Answer):
    """A training job with what its newest deployment says."""

    id = serializers.UUIDField(source="job.pk")
    name = serializers.CharField(source="job.name")
    status = serializers.ChoiceField(source="job.status", choices=Status.choices)
    phase = serializers.CharField(source="deployment.phase", allow_null=True)
    model_name = serializers.CharField(source="job.model_name")
    dataset_id = serializers.UUIDField(source="job.dataset_id")
    dataset_sha256 = serializers.CharField(source="job.dataset_sha256")
    training_config_id = serializers.UUIDField(source="job.training_config_id", allow_null=True)
    config = JsonObject(source="job.config", help_text="The recipe, every default filled in.")
    progress = ProgressAnswer(source="deployment.progress", allow_null=True)
    cost = CostAnswer(source="deployment.cost", allow_null=True)
    attention = TroubleAnswer(source="deployment.attention", allow_null=True)
    error = ErrorAnswer(source="deployment.error", allow_null=True)
    deployment_id = serializers.UUIDField(source="deployment.deployment_id", allow_null=True)
    deployment_ids = serializers.ListField(
        child=serializers.UUIDField(), help_text="All of them, newest first."
    )
    url = serializers.SerializerMethodField(help_text="The address of its page.")
    created_at = serializers.DateTimeField(source="job.created_at")
    started_at = serializers.DateTimeField(source="job.started_at", allow_null=True)
    completed_at = serializers.DateTimeField(source="job.completed_at", allow_null=True)

    @extend_schema_field({"type": "string", "format": "uri", "nullable": True})
    def get_url(self, overview: JobOverview) -> str | None:
        return _absolute(self, overview.deployment.url) if overview.deployment else None


class ConfigAnswer(serializers.ModelSerializer[TrainingConfig]):
    """A training config as it is kept; settings that are not named have their defaults."""

    hyperparameters = JsonObject()
    eval = JsonObject()
    export = JsonObject()
    budget_limit = Usd(allow_null=True)

    class Meta:
        model = TrainingConfig
        fields = (
            "id",
            "name",
            "base_model",
            "method",
            "dataset_id",
            "hyperparameters",
            "eval",
            "export",
            "budget_limit",
            "created_at",
            "updated_at",
        )


class CheckpointAnswer(serializers.ModelSerializer[Checkpoint]):
    """A checkpoint the machine has told of; ``path`` is on the machine."""

    machine = serializers.CharField(source="machine.name")
    files = FileAnswer(many=True)
    home_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when it is home, each sha256 checked; null: it is not."
    )
    left_because = serializers.CharField(help_text="Why it is not brought home, in words.")
    download_url = serializers.SerializerMethodField(help_text="Its adapter, once it is home.")

    class Meta:
        model = Checkpoint
        fields = (
            "id",
            "job_id",
            "machine",
            "step",
            "path",
            "size_bytes",
            "files",
            "at",
            "home_at",
            "left_because",
            "download_url",
        )

    @extend_schema_field({"type": "string", "format": "uri", "nullable": True})
    def get_download_url(self, checkpoint: Checkpoint) -> str | None:
        if checkpoint.home_at is None:
            return None
        path = reverse("deployments_api:checkpoint-download", args=[checkpoint.pk])
        return _absolute(self, path)


class SampleAnswerAnswer(Answer):
    """What the model being trained answered after so many steps."""

    step = serializers.IntegerField()
    answer = serializers.CharField()
    at = serializers.DateTimeField()


class SampleAnswer(Answer):
    """A held-out prompt with the base model's answer and ours, the oldest first."""

    number = serializers.IntegerField()
    prompt = serializers.CharField()
    reference = serializers.CharField(help_text="The answer in the data.")
    base = serializers.CharField(help_text="The answer of the base model.")
    answers = SampleAnswerAnswer(many=True)


class SamplesAnswer(Answer):
    """The held-out prompts of a job, at most five."""

    object = serializers.ChoiceField(choices=["list"])
    data = SampleAnswer(many=True)  # type: ignore[assignment]  # a field of that name
    has_more = serializers.BooleanField()


class LogLineAnswer(serializers.ModelSerializer[LogLine]):
    """One line of the run log; ``seq`` is its number on the machine."""

    machine = serializers.CharField(source="machine.name")

    class Meta:
        model = LogLine
        fields = ("id", "machine", "seq", "at", "level", "source", "text")


class LogPageAnswer(Answer):
    """Log lines in the order they came; ask on with ``since=<next_since>``."""

    object = serializers.ChoiceField(choices=["list"])
    data = LogLineAnswer(many=True)  # type: ignore[assignment]  # a field of that name
    has_more = serializers.BooleanField()
    next_since = serializers.IntegerField(help_text="The id of the last line known to the caller.")


class OfferAnswer(Answer):
    """One machine type in one region; ``region`` is empty when no region has one free."""

    platform = serializers.CharField()
    instance_type = serializers.CharField()
    region = serializers.CharField()
    region_description = serializers.CharField()
    description = serializers.CharField()
    gpu_name = serializers.CharField()
    gpu_count = serializers.IntegerField()
    vram_gib = serializers.IntegerField(allow_null=True, help_text="Of one card.")
    vcpus = serializers.IntegerField()
    memory_gib = serializers.IntegerField()
    storage_gib = serializers.IntegerField()
    architecture = serializers.CharField()
    hourly = Usd(source="hourly_price_usd")
    available = serializers.BooleanField()


class OffersAnswer(Answer):
    """The catalogue as the clouds gave it at ``as_of``, cheapest first."""

    object = serializers.ChoiceField(choices=["list"])
    data = OfferAnswer(many=True)  # type: ignore[assignment]  # a field of that name
    has_more = serializers.BooleanField()
    as_of = serializers.DateTimeField()
    silent = serializers.ListField(
        child=serializers.CharField(), help_text="Why a cloud you have a key of is missing."
    )
    source = serializers.ChoiceField(choices=["live"])  # type: ignore[assignment]  # a field of that name


def _absolute(serializer: serializers.BaseSerializer[Any], path: str) -> str:
    address: str = serializer.context["request"].build_absolute_uri(path)
    return address
