"""The long columns of a job: metrics for charts, log lines for reading on."""

from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.caller import id_parameter
from core.api.etag import IF_NONE_MATCH, unless_known
from core.api.schema import error_responses
from deployments import history
from deployments.api.answers import LogLineAnswer, LogPageAnswer
from deployments.api.common import own_job
from deployments.api.inputs import choice_parameter, whole_parameter
from deployments.event_values import METRIC_NAME
from deployments.models import RunState, TrainingJob

JOB_ID = id_parameter("job_id")
DEFAULT_LINES = 100
MAX_LINES = 1000
_NUMBERS = {"type": "array", "items": {"type": "number", "nullable": True}}
_TIMES = {"type": "array", "items": {"type": "string", "format": "date-time"}}
_STEPS = {"type": "array", "items": {"type": "integer"}}
SERIES: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["step", "value", "time"],
        "properties": {"step": _STEPS, "value": _NUMBERS, "time": _TIMES},
    },
}


class MetricsView(APIView):
    """The metrics of a job in columns."""

    @extend_schema(
        parameters=[
            JOB_ID,
            OpenApiParameter("keys", description="Names of metrics, comma-separated."),
            OpenApiParameter(
                "since_step", OpenApiTypes.INT, description="Only steps after this one."
            ),
            IF_NONE_MATCH,
        ],
        responses={200: SERIES, 304: None, **error_responses(400, 404)},
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        """Return each metric as three columns of equal length, in order of step.

        At most 100 000 values an answer: ask on with the last step received until nothing comes.
        """
        job = own_job(request, job_id)
        keys = request.query_params.get("keys")
        since_step = whole_parameter(request, "since_step")

        def answer() -> dict[str, Any]:
            names = None if keys is None else _names(keys)
            series = history.metric_series(job, names=names, since_step=since_step)
            return {name: vars(columns) for name, columns in series.items()}

        return unless_known(request, _told_so_far(job), answer)


def _names(keys: str) -> list[str]:
    return [name for name in keys.split(",") if METRIC_NAME.fullmatch(name)][: history.MAX_NAMES]


def _told_so_far(job: TrainingJob) -> list[tuple[UUID, int]]:
    """Return how far each machine's run log was read: metrics and lines change with it alone."""
    runs = RunState.objects.filter(machine__deployment__job=job).order_by("machine")
    return list(runs.values_list("machine", "accepted_through"))


class LogsView(APIView):
    """The log of a job."""

    @extend_schema(
        parameters=[
            JOB_ID,
            OpenApiParameter(
                "since", OpenApiTypes.INT, description="Only lines after the one with this id."
            ),
            OpenApiParameter(
                "level", enum=history.LEVELS, description="This level and above; debug is all."
            ),
            OpenApiParameter(
                "limit", OpenApiTypes.INT, description=f"{DEFAULT_LINES}; at most {MAX_LINES}."
            ),
            IF_NONE_MATCH,
        ],
        responses={200: LogPageAnswer, 304: None, **error_responses(400, 404)},
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        """Return log lines in the order they came, from the first or from after ``since``.

        ``next_since`` leads on; with nothing new it stays where it was, so it serves for polling.
        """
        job = own_job(request, job_id)
        since = whole_parameter(request, "since") or 0
        limit = min(whole_parameter(request, "limit") or DEFAULT_LINES, MAX_LINES)
        level = choice_parameter(request, "level", among=history.LEVELS, default="debug")

        def answer() -> dict[str, Any]:
            rows = list(history.log_lines(job, level=level).filter(pk__gt=since)[: limit + 1])
            shown = rows[:limit]
            return {
                "object": "list",
                "data": LogLineAnswer(shown, many=True).data,
                "has_more": len(rows) > limit,
                "next_since": shown[-1].pk if shown else since,
            }

        return unless_known(request, _told_so_far(job), answer)
