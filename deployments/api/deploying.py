"""``/api/training/deploy``: the endpoints of the replaced system (API.md section 2)."""

from uuid import UUID

from django.db.models import Q
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller
from core.api.etag import IF_NONE_MATCH, unless_same
from core.api.idempotency import creates
from core.api.pagination import NewestFirst
from core.api.schema import error_responses
from core.errors import InvalidInputError, NotFoundError
from core.time import database_now
from deployments import overview, services
from deployments.api.answers import DeploymentAnswer, DeploymentDetailAnswer
from deployments.api.common import SAVE
from deployments.api.inputs import DeployBody, flag_parameter
from deployments.models import Deployment, Machine
from deployments.quotes import AUTO

DEPLOYMENT_ID = OpenApiParameter(
    "deployment_id",
    OpenApiTypes.STR,
    required=True,
    description="Our id, or the cloud's instance id of any of its machines.",
)


class DeploymentsView(GenericAPIView[Deployment]):
    """Every deployment of the caller, on all platforms."""

    serializer_class = DeploymentAnswer
    pagination_class = NewestFirst

    @extend_schema(responses={200: DeploymentAnswer(many=True), **error_responses(400)})
    def get(self, request: Request) -> Response:
        """List deployments, newest first."""
        rows = self.paginate_queryset(overview.deployments_of(caller(request))) or []
        lines = overview.deployment_lines(rows, now=database_now())
        answers = DeploymentAnswer(lines, many=True, context={"request": request})
        return self.get_paginated_response(answers.data)


class DeployView(APIView):
    """Deploy on a platform, look at what was asked for there, and end it."""

    @extend_schema(
        request=DeployBody,
        responses={202: DeploymentAnswer, **error_responses(400, 404, 409, 422, 502)},
    )
    @creates("deployment")
    def post(self, request: Request, platform: str) -> Response:
        """Rent a machine and train; everything that can be refused is refused here, unspent.

        The platform ``auto`` is every cloud for which you have a key: the likely cheapest machine
        of all is preferred, and what costs no more by the hour may be rented instead.
        409 is answered under a cap (E_MONTHLY_CAP, E_DAILY_CAP, E_MACHINE_CAP, with the arithmetic
        in ``details``) and while launches are blocked (E_LAUNCHES_BLOCKED).
        """
        body = DeployBody(data=request.data)
        body.is_valid(raise_exception=True)
        deployment = services.deploy(caller(request), platform, body.as_request())
        return Response(short_answer(request, deployment), status=202)

    @extend_schema(
        parameters=[DEPLOYMENT_ID, IF_NONE_MATCH],
        responses={200: DeploymentDetailAnswer, 304: None, **error_responses(400, 404)},
    )
    def get(self, request: Request, platform: str) -> HttpResponseBase:
        """Return everything about one deployment; 304 while nothing has changed."""
        found = _asked_for(request, platform)
        shown = overview.deployment_overview(found, now=database_now())
        return unless_same(
            request, DeploymentDetailAnswer(shown, context={"request": request}).data
        )

    @extend_schema(
        parameters=[DEPLOYMENT_ID, SAVE],
        responses={202: DeploymentAnswer, **error_responses(400, 404)},
    )
    def delete(self, request: Request, platform: str) -> Response:
        """Ask for the end; asking again is harmless. It is over once the status is terminal."""
        return stop(request, _asked_for(request, platform))


def stop(request: Request, deployment: Deployment) -> Response:
    """Ask for a deployment's end as ``?save=`` says, and answer with it."""
    save = flag_parameter(request, "save", default=True) is not False
    stopped = services.cancel(deployment, requested_by=caller(request), save=save)
    return Response(short_answer(request, stopped), status=202)


def short_answer(request: Request, deployment: Deployment) -> object:
    """Return a deployment as an accepted request shows it."""
    (line,) = overview.deployment_lines([deployment], now=database_now())
    return DeploymentAnswer(line, context={"request": request}).data


def _asked_for(request: Request, platform: str) -> Deployment:
    """Return the caller's deployment that was asked for on this platform, by either kind of id.

    Where it ran makes no difference: a fallback to another cloud keeps the address (API.md 2).
    """
    text = request.query_params.get("deployment_id", "").strip()
    if not text:
        raise InvalidInputError(
            "deployment_id is missing.",
            remedy="Give ?deployment_id= as POST answered it, or the cloud's instance id.",
            param="deployment_id",
        )
    mine = overview.deployments_of(caller(request))
    if platform != AUTO:
        mine = mine.filter(platform=platform)
    # A text with control characters names nothing, and PostgreSQL refuses to look for it.
    found = mine.filter(_named(text)).first() if f"{platform}{text}".isprintable() else None
    if found is None:
        raise NotFoundError(
            "There is no such deployment on this platform.",
            remedy="Check the id, or list what you have at /api/training/deploy.",
        )
    return found


def _named(text: str) -> Q:
    rented = Q(pk__in=Machine.objects.filter(instance_id=text).values("deployment"))
    try:
        return rented | Q(pk=UUID(text))
    except ValueError:
        return rented
