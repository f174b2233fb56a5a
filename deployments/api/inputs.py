"""Request bodies and query parameters, checked and typed."""

from dataclasses import fields
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from core.errors import InvalidInputError
from deployments.api.fields import DecimalText, JsonObject, StrictSerializer, Text, Whole
from deployments.models import TrainingConfig
from deployments.services import Changes, ConfigInput, DeployRequest, Fallback

# Fields of API.md section 2 that this version cannot serve yet, each with the one value it takes.
NEUTRAL: dict[str, object] = {
    "node_count": 1,
}
# What is given as null where a run begins anew.
GOING_ON = ("resume_from", "adapter_from")
MAX_WHOLE = 2**53
MAX_FALLBACKS = 20
MAX_KEPT_MINUTES = 1440


class FallbackBody(StrictSerializer):
    """What to try when the machine asked for is refused for capacity."""

    platform = Text(
        max_length=20, help_text='A cloud you have a key for, or "auto" for every such cloud.'
    )
    instance_type = Text(max_length=100, required=False, help_text='A type\'s name, or "auto".')
    region = Text(max_length=100, required=False, help_text='A region\'s name, or "auto".')


class MachineBody(StrictSerializer):
    """Where a run is to go, for how much, and what may be done instead."""

    instance_type = Text(max_length=100, required=False, help_text='A type\'s name, or "auto".')
    region = Text(max_length=100, required=False, help_text='A region\'s name, or "auto".')
    budget_limit = DecimalText(
        max_digits=10,
        decimal_places=2,
        required=False,
        allow_null=True,
        help_text="US dollars. Without it the config's budget holds, then the installation's.",
    )
    max_hours = DecimalText(max_digits=6, decimal_places=2, max_value=720, required=False)
    node_count = Whole(min_value=1, required=False, help_text="Only 1 in this version.")
    name = Text(max_length=120, required=False, allow_blank=True)
    ssh_key_name = Text(
        max_length=200,
        required=False,
        allow_null=True,
        help_text="A key registered at the cloud, added to the machine for your own log-in.",
    )
    fallbacks = serializers.ListField(
        child=FallbackBody(),
        required=False,
        max_length=MAX_FALLBACKS,
        help_text="Tried in this order, each at no more than it costs when you deploy.",
    )
    wait_for_capacity_minutes = Whole(min_value=0, max_value=10080, required=False)
    keep_on_failure_minutes = Whole(
        min_value=0,
        max_value=MAX_KEPT_MINUTES,
        required=False,
        help_text="How long a failed run's machine stays for you to look at. It bills meanwhile.",
    )
    max_hourly_price = DecimalText(max_digits=10, decimal_places=4, required=False, allow_null=True)
    max_attempts = Whole(min_value=1, max_value=10, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name, neutral in NEUTRAL.items():
            if attrs.get(name, neutral) != neutral:
                shown = "null" if neutral is None else neutral
                raise InvalidInputError(
                    f"{name} is not available in this version.",
                    remedy=f"Leave {name} out, or give {shown}.",
                    param=name,
                )
        return attrs

    def as_request(self) -> DeployRequest:
        """Return what the service takes; fields that were not sent keep its defaults."""
        known = {field.name for field in fields(DeployRequest)}
        given = {key: value for key, value in self.validated_data.items() if key in known}
        for name in GOING_ON:
            given[name] = given.get(name) or ""
        fallbacks = tuple(Fallback(**each) for each in given.pop("fallbacks", ()))
        return DeployRequest(**given, fallbacks=fallbacks)


class DeployBody(MachineBody):
    """The body of ``POST /api/training/deploy/{platform}`` (API.md section 2)."""

    training_config_id = Text(max_length=100)
    resume_from = Text(
        max_length=100,
        required=False,
        allow_null=True,
        help_text="A checkpoint to go on from, or a job: then its newest that is home.",
    )
    adapter_from = Text(
        max_length=100,
        required=False,
        allow_null=True,
        help_text="An artifact, a checkpoint or a job whose adapter the new run starts from.",
    )


class ResumeBody(MachineBody):
    """The body of ``POST /api/training/jobs/{id}/resume``; every field may be left out."""

    platform = Text(
        max_length=20,
        required=False,
        help_text='By default that of the job\'s newest deployment; "auto" is every cloud you have '
        "a key for.",
    )
    checkpoint_id = Text(
        max_length=100,
        required=False,
        allow_null=True,
        help_text="By default the newest whole one that is home.",
    )
    hyperparameters = JsonObject(
        required=False, help_text="What is to change; with changes it becomes a job of its own."
    )
    eval = JsonObject(required=False)

    def changes(self) -> Changes:
        """Return the settings that are to be otherwise."""
        given = self.validated_data
        return Changes(given.get("hyperparameters", {}), given.get("eval", {}))


class ConfigBody(StrictSerializer):
    """A training config as its owner sends it (API.md section 3)."""

    name = Text(max_length=120)
    base_model = Text(max_length=300, help_text="An id of the Hub, or local:<folder>.")
    dataset_id = Text(max_length=100)
    method = Text(max_length=10, required=False)
    hyperparameters = JsonObject(required=False)
    eval = JsonObject(required=False)
    export = JsonObject(required=False)
    budget_limit = DecimalText(max_digits=10, decimal_places=2, required=False, allow_null=True)

    def as_input(self, existing: TrainingConfig | None = None) -> ConfigInput:
        """Return what the service takes; fields that were not sent stay as in ``existing``."""
        kept: dict[str, Any] = {}
        if existing is not None:
            kept = {name: getattr(existing, name) for name in self.get_fields()}
            kept["dataset_id"] = str(existing.dataset_id)
        return ConfigInput(**(kept | self.validated_data))


class CloneBody(ConfigBody):
    """What is to be otherwise in a copy of a job's settings; every field may be left out."""

    name = Text(max_length=120, required=False)
    base_model = Text(max_length=300, required=False)
    dataset_id = Text(max_length=100, required=False)


def flag_parameter(request: Request, name: str, *, default: bool | None) -> bool | None:
    """Return a query parameter that is true or false."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise _bad_parameter(name, "true or false")
    return text == "true"


def whole_parameter(request: Request, name: str) -> int | None:
    """Return a query parameter that is a whole number, None when it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > MAX_WHOLE:
        raise _bad_parameter(name, "a whole number")
    return int(text)


def choice_parameter(request: Request, name: str, *, among: tuple[str, ...], default: str) -> str:
    """Return a query parameter that is one of a few words."""
    text: str = request.query_params.get(name, default)
    if text not in among:
        raise _bad_parameter(name, f"one of {', '.join(among)}")
    return text


def decimal_parameter(request: Request, name: str) -> Any:
    """Return a query parameter that is a positive decimal, None when it is not given."""
    text = request.query_params.get(name)
    field = DecimalText(max_digits=10, decimal_places=4)
    try:
        return None if text is None else field.run_validation(text)
    except serializers.ValidationError:
        raise _bad_parameter(name, "a decimal number above zero, such as 2.00") from None


def _bad_parameter(name: str, allowed: str) -> InvalidInputError:
    return InvalidInputError(f"{name} must be {allowed}.", remedy=f"Give {allowed}.", param=name)
