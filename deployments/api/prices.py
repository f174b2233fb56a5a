"""``/api/prices``: what the same card costs at each cloud."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller
from core.api.schema import error_responses
from deployments import price_sources
from deployments.api.answers import Answer
from deployments.api.fields import Usd
from deployments.prices import CardPrices


class CloudPriceAnswer(Answer):
    """The cheapest machine with one such card at one cloud, a free one before a sold-out one."""

    platform = serializers.CharField(source="offer.platform")
    instance_type = serializers.CharField(source="offer.instance_type")
    region = serializers.CharField(source="offer.region", help_text="Empty: sold out everywhere.")
    available = serializers.BooleanField(source="offer.available")
    hourly = Usd(source="offer.hourly_price_usd")
    hours_10 = Usd(source="hours_10_usd")
    hours_50 = Usd(source="hours_50_usd")
    more_percent = serializers.DecimalField(
        max_digits=12, decimal_places=1, help_text="Than at the cheapest cloud."
    )


class CardPricesAnswer(Answer):
    """One kind of card; its clouds, the cheapest first."""

    gpu = serializers.CharField()
    vram_gib = serializers.IntegerField(allow_null=True)
    only_at = serializers.SerializerMethodField(help_text="The one cloud that has it, or null.")
    difference_percent = serializers.DecimalField(
        max_digits=12,
        decimal_places=1,
        allow_null=True,
        help_text="How much dearer the dearest cloud is than the cheapest; null without a choice.",
    )
    prices = CloudPriceAnswer(many=True)

    def get_only_at(self, row: CardPrices) -> str | None:
        return row.only_at.offer.platform if row.only_at else None


class SourceAnswer(Answer):
    """One cloud's own catalogue."""

    platform = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name
    address = serializers.CharField(help_text="Whose catalogue was asked.")
    has_key = serializers.BooleanField()
    as_of = serializers.DateTimeField(allow_null=True, help_text="Null: it told nothing.")


class PricesAnswer(Answer):
    """Card by card, what a machine with one of it costs in US dollars before tax."""

    object = serializers.ChoiceField(choices=["list"])
    data = CardPricesAnswer(many=True, source="rows")  # type: ignore[assignment]  # likewise
    has_more = serializers.BooleanField(default=False)
    as_of = serializers.DateTimeField()
    sources = SourceAnswer(many=True)
    silent = serializers.ListField(
        child=serializers.CharField(), help_text="Why a cloud you have a key of is missing."
    )


class PricesView(APIView):
    """Prices compared."""

    @extend_schema(
        operation_id="prices_retrieve",
        responses={200: PricesAnswer, **error_responses(400, 502)},
    )
    def get(self, request: Request) -> Response:
        """Compare the clouds card by card, per hour, per 10 and per 50 hours."""
        found = price_sources.compare(caller(request))
        body = {
            "object": "list",
            "rows": found.rows,
            "has_more": False,
            "as_of": found.as_of,
            "sources": found.sources,
            "silent": found.silent,
        }
        return Response(PricesAnswer(body).data)
