"""``/api/training/estimate``: what a recipe would need, take and cost on every offer."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller
from core.api.schema import error_responses
from core.errors import InvalidInputError
from core.lookups import get_owned
from datasets.models import Dataset
from deployments import catalogue, estimate, forecasts, recipes
from deployments.api.answers import Answer
from deployments.api.fields import JsonObject, StrictSerializer, Text, Usd
from deployments.api.inputs import ConfigBody
from deployments.estimate import MemoryNeed, Range
from deployments.forecasts import OfferForecast
from deployments.models import TrainingConfig

HOUR_SECONDS = 3600


class RecipeBody(ConfigBody):
    """A training config that need not be kept, nor have a name."""

    name = Text(max_length=120, required=False)


class EstimateBody(StrictSerializer):
    """Either ``config`` or ``config_id``."""

    config = RecipeBody(required=False)
    config_id = Text(max_length=100, required=False)
    platform = Text(
        max_length=20, required=False, help_text="One cloud; otherwise each you have a key of."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("config" in attrs) == ("config_id" in attrs):
            raise InvalidInputError(
                "Give config or config_id, one of them.",
                remedy="config holds base_model, dataset_id and settings; config_id names a kept "
                "config.",
                param="config",
            )
        return attrs


class VramAnswer(Answer):
    """GiB of one card's memory by what they are for; ``total`` includes the margin."""

    weights = serializers.FloatField()
    adapter = serializers.FloatField()
    activations = serializers.FloatField()
    runtime = serializers.FloatField()
    margin = serializers.FloatField()
    total = serializers.FloatField()


class HoursAnswer(Answer):
    """From the launch until the machine is proven gone."""

    low = serializers.FloatField()
    high = serializers.FloatField()


class UsdRangeAnswer(Answer):
    """US dollars; a range, and no promise."""

    low = Usd()
    high = Usd()


class PhaseAnswer(Answer):
    """One phase of the run, and what its time is known from."""

    name = serializers.CharField()
    hours = HoursAnswer()
    basis = serializers.CharField()


class RemedyAnswer(Answer):
    """A change with which the run fits, and what it would cost then."""

    title = serializers.CharField()
    hyperparameters = JsonObject(help_text="To change; empty for another machine.")
    instance_type = serializers.CharField()
    est_cost = UsdRangeAnswer()


class EstimatedOfferAnswer(Answer):
    """One offer with what the run would take and cost there; null is not known."""

    platform = serializers.CharField()
    instance_type = serializers.CharField()
    region = serializers.CharField(help_text="Empty when no region has one free.")
    gpu_name = serializers.CharField()
    vram_gib = serializers.IntegerField(allow_null=True)
    available = serializers.BooleanField()
    hourly = Usd()
    hours = HoursAnswer(allow_null=True)
    est_cost = UsdRangeAnswer(allow_null=True)
    verdict = serializers.ChoiceField(
        choices=["fits", "tight", "does_not_fit", "cannot_run", "unknown"]
    )
    reasons = serializers.ListField(child=serializers.CharField())
    remedies = RemedyAnswer(many=True)
    phases = PhaseAnswer(many=True)


class EstimateAnswer(Answer):
    """The estimate: ``fits`` and ``hours`` are those of the offer that "auto" would take."""

    vram_gib = VramAnswer(allow_null=True, help_text="Null where the model's size is not known.")
    fits = serializers.BooleanField(allow_null=True)
    hours = HoursAnswer(allow_null=True)
    offers = EstimatedOfferAnswer(many=True, help_text="The cheapest likely total first.")
    as_of = serializers.DateTimeField(help_text="When the clouds gave these prices.")


class EstimateView(APIView):
    """What a recipe would need, take and cost; nothing is kept and nothing is started."""

    required_scopes = {"POST": "read"}

    @extend_schema(
        request=EstimateBody,
        responses={200: EstimateAnswer, **error_responses(400, 404, 502)},
    )
    def post(self, request: Request) -> Response:
        """Estimate memory, time and cost on what the clouds offer now, cheapest total first.

        All figures are ranges and no promises; the budget is the limit.
        """
        body = EstimateBody(data=request.data)
        body.is_valid(raise_exception=True)
        user = caller(request)
        recipe, dataset = _recipe(user, body.validated_data)
        found = catalogue.live_offers(user, platform=body.validated_data.get("platform"))
        shown = forecasts.for_offers(user, recipe=recipe, dataset=dataset, offers=found.offers)
        return Response(EstimateAnswer(_answer(shown) | {"as_of": found.as_of}).data)


def _recipe(user: User, given: Mapping[str, Any]) -> tuple[dict[str, Any], Dataset]:
    """Return the recipe with every default filled in, and the caller's own dataset."""
    if "config_id" in given:
        config = get_owned(TrainingConfig, user, given["config_id"])
        values = {
            "base_model": config.base_model,
            "method": config.method,
            "hyperparameters": config.hyperparameters,
            "eval": config.eval,
            "export": config.export,
        }
        dataset = config.dataset
    else:
        values = dict(given["config"])
        dataset = get_owned(Dataset.objects.active(), user, values["dataset_id"])
    asked = {
        "method": values.get("method", "sft"),
        "base_model": values["base_model"],
        "hyperparameters": values.get("hyperparameters", {}),
        "evaluation": values.get("eval", {}),
    }
    recipes.check(**asked, export=values.get("export") or {})
    return recipes.freeze(**asked), dataset


def _answer(found: Sequence[OfferForecast]) -> dict[str, Any]:
    best = forecasts.cheapest_that_fits(f for f in found if f.offer.available)
    best = best or forecasts.cheapest_that_fits(found)
    need = next((f.need for f in found if f.need is not None), None)
    return {
        "vram_gib": _gib(need),
        "fits": _fits(best, need),
        "hours": _hours(best.seconds) if best else None,
        "offers": [_offer(forecast) for forecast in found],
    }


def _fits(best: OfferForecast | None, need: MemoryNeed | None) -> bool | None:
    if need is None or (best is not None and best.verdict == estimate.UNKNOWN):
        return None
    return best is not None


def _gib(need: MemoryNeed | None) -> dict[str, float] | None:
    if need is None:
        return None
    names = ("weights", "adapter", "activations", "runtime", "margin", "total")
    return {name: round(getattr(need, name) / estimate.GIB, 2) for name in names}


def _hours(seconds: Range[float] | None) -> dict[str, float] | None:
    if seconds is None:
        return None
    return {
        "low": round(seconds.low / HOUR_SECONDS, 4),
        "high": round(seconds.high / HOUR_SECONDS, 4),
    }


def _offer(forecast: OfferForecast) -> dict[str, Any]:
    offer = forecast.offer
    return {
        "platform": offer.platform,
        "instance_type": offer.instance_type,
        "region": offer.region,
        "gpu_name": offer.gpu_name,
        "vram_gib": offer.vram_gib,
        "available": offer.available,
        "hourly": offer.hourly_price_usd,
        "hours": _hours(forecast.seconds),
        "est_cost": forecast.cost_usd,
        "verdict": forecast.verdict,
        "reasons": list(forecast.reasons),
        "remedies": [
            {
                "title": remedy.title,
                "hyperparameters": dict(remedy.settings),
                "instance_type": remedy.offer.instance_type,
                "est_cost": remedy.cost_usd,
            }
            for remedy in forecast.remedies
        ],
        "phases": [
            {"name": phase.word, "hours": _hours(phase.seconds), "basis": phase.basis}
            for phase in forecast.phases
        ],
    }
