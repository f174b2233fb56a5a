"""``/api/training/configs``: recipes as their owners keep them."""

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.caller import caller, id_parameter
from core.api.idempotency import creates
from core.api.pagination import NewestFirst
from core.api.schema import error_responses
from core.lookups import get_owned
from deployments import services
from deployments.api.answers import ConfigAnswer
from deployments.api.inputs import ConfigBody
from deployments.models import TrainingConfig


class ConfigsView(GenericAPIView[TrainingConfig]):
    """Every config of the caller."""

    serializer_class = ConfigAnswer
    pagination_class = NewestFirst

    @extend_schema(responses={200: ConfigAnswer(many=True), **error_responses(400)})
    def get(self, request: Request) -> Response:
        """List training configs, newest first."""
        rows = self.paginate_queryset(TrainingConfig.objects.filter(user=caller(request)))
        return self.get_paginated_response(ConfigAnswer(rows, many=True).data)

    @extend_schema(request=ConfigBody, responses={201: ConfigAnswer, **error_responses(400, 404)})
    @creates("config")
    def post(self, request: Request) -> Response:
        """Keep a training config; settings it does not know are refused by name."""
        body = ConfigBody(data=request.data)
        body.is_valid(raise_exception=True)
        config = services.save_config(caller(request), body.as_input())
        return Response(ConfigAnswer(config).data, status=201)


class ConfigView(GenericAPIView[TrainingConfig]):
    """One config of the caller."""

    serializer_class = ConfigAnswer

    @extend_schema(
        parameters=[id_parameter("config_id")],
        responses={200: ConfigAnswer, **error_responses(404)},
    )
    def get(self, request: Request, config_id: str) -> Response:
        """Return one training config."""
        return Response(ConfigAnswer(_own(request, config_id)).data)

    @extend_schema(
        parameters=[id_parameter("config_id")],
        request=ConfigBody,
        responses={200: ConfigAnswer, **error_responses(400, 404)},
    )
    def put(self, request: Request, config_id: str) -> Response:
        """Replace a training config; jobs made from it before keep their frozen copy."""
        config = _own(request, config_id)
        body = ConfigBody(data=request.data)
        body.is_valid(raise_exception=True)
        saved = services.save_config(caller(request), body.as_input(), existing=config)
        return Response(ConfigAnswer(saved).data)

    @extend_schema(
        parameters=[id_parameter("config_id")],
        request=ConfigBody,
        responses={200: ConfigAnswer, **error_responses(400, 404)},
    )
    def patch(self, request: Request, config_id: str) -> Response:
        """Change what is sent, keep the rest; an object is replaced as a whole."""
        config = _own(request, config_id)
        body = ConfigBody(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        saved = services.save_config(caller(request), body.as_input(config), existing=config)
        return Response(ConfigAnswer(saved).data)

    @extend_schema(
        parameters=[id_parameter("config_id")], responses={204: None, **error_responses(404)}
    )
    def delete(self, request: Request, config_id: str) -> Response:
        """Delete a training config; jobs made from it keep their frozen copy."""
        services.delete_config(_own(request, config_id))
        return Response(status=204)


def _own(request: Request, config_id: str) -> TrainingConfig:
    return get_owned(TrainingConfig, caller(request), config_id)
