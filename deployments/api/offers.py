"""``/api/offers``: the live catalogue."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller
from core.api.schema import error_responses
from deployments import catalogue
from deployments.api.answers import OffersAnswer
from deployments.api.inputs import decimal_parameter, flag_parameter, whole_parameter


class OffersView(APIView):
    """What can be rented now."""

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "platform", description="One cloud; otherwise each you have a key of."
            ),
            OpenApiParameter("min_vram", OpenApiTypes.INT, description="GiB of one card."),
            OpenApiParameter("max_hourly", OpenApiTypes.DECIMAL, description="US dollars."),
            OpenApiParameter("available", OpenApiTypes.BOOL, description="Free now, or sold out."),
        ],
        responses={200: OffersAnswer, **error_responses(400, 502)},
    )
    def get(self, request: Request) -> Response:
        """Ask the clouds what they offer, under the caller's own keys; cheapest first."""
        min_vram_gib = whole_parameter(request, "min_vram")
        max_hourly_usd = decimal_parameter(request, "max_hourly")
        available = flag_parameter(request, "available", default=None)
        found = catalogue.live_offers(
            caller(request), platform=request.query_params.get("platform") or None
        )
        offers = catalogue.matching(
            found.offers,
            min_vram_gib=min_vram_gib,
            max_hourly_usd=max_hourly_usd,
            available=available,
        )
        body = {
            "object": "list",
            "data": offers,
            "has_more": False,
            "as_of": found.as_of,
            "silent": found.silent,
            "source": "live",
        }
        return Response(OffersAnswer(body).data)
