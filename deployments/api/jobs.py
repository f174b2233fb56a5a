"""``/api/training/jobs``: what was trained, and everything its runs have told."""

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller, id_parameter
from core.api.etag import IF_NONE_MATCH, unless_same
from core.api.pagination import NewestFirst
from core.api.schema import error_responses
from core.time import database_now
from deployments import overview, services
from deployments.api.answers import (
    ArtifactAnswer,
    CheckpointAnswer,
    DeploymentAnswer,
    EventAnswer,
    JobAnswer,
)
from deployments.api.common import (
    SAVE,
    NewestMomentFirst,
    NewestSavedFirst,
    newest_deployment,
    own_job,
)
from deployments.api.deploying import stop
from deployments.models import Artifact, Checkpoint, Event, Machine, TrainingJob

JOB_ID = id_parameter("job_id")


class JobsView(GenericAPIView[TrainingJob]):
    """Every job of the caller."""

    serializer_class = JobAnswer
    pagination_class = NewestFirst

    @extend_schema(responses={200: JobAnswer(many=True), **error_responses(400)})
    def get(self, request: Request) -> Response:
        """List training jobs, newest first."""
        rows = self.paginate_queryset(overview.jobs_of(caller(request))) or []
        lines = overview.job_lines(rows, now=database_now())
        answers = JobAnswer(lines, many=True, context={"request": request})
        return self.get_paginated_response(answers.data)


class JobView(APIView):
    """One job of the caller."""

    @extend_schema(
        parameters=[JOB_ID, IF_NONE_MATCH],
        responses={200: JobAnswer, 304: None, **error_responses(404)},
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        """Return one training job with what its newest deployment says; 304 while it stands."""
        (line,) = overview.job_lines([own_job(request, job_id)], now=database_now())
        return unless_same(request, JobAnswer(line, context={"request": request}).data)


class EventsView(GenericAPIView[Event]):
    """The story of a job."""

    serializer_class = EventAnswer
    pagination_class = NewestMomentFirst

    @extend_schema(
        parameters=[JOB_ID], responses={200: EventAnswer(many=True), **error_responses(400, 404)}
    )
    def get(self, request: Request, job_id: str) -> Response:
        """List what happened in all deployments of a job, newest first."""
        job = own_job(request, job_id)
        rows = self.paginate_queryset(Event.objects.filter(deployment__job=job)) or []
        names = dict(Machine.objects.filter(deployment__job=job).values_list("pk", "name"))
        lines = [overview.event_line(event, names) for event in rows]
        return self.get_paginated_response(EventAnswer(lines, many=True).data)


class CheckpointsView(GenericAPIView[Checkpoint]):
    """The checkpoints of a job."""

    serializer_class = CheckpointAnswer
    pagination_class = NewestMomentFirst

    @extend_schema(
        parameters=[JOB_ID],
        responses={200: CheckpointAnswer(many=True), **error_responses(400, 404)},
    )
    def get(self, request: Request, job_id: str) -> Response:
        """List the checkpoints that machines of this job have told of, newest first."""
        job = own_job(request, job_id)
        rows = self.paginate_queryset(Checkpoint.objects.filter(job=job).select_related("machine"))
        answers = CheckpointAnswer(rows, many=True, context={"request": request})
        return self.get_paginated_response(answers.data)


class ArtifactsView(GenericAPIView[Artifact]):
    """What of a job is home."""

    serializer_class = ArtifactAnswer
    pagination_class = NewestSavedFirst

    @extend_schema(
        parameters=[JOB_ID],
        responses={200: ArtifactAnswer(many=True), **error_responses(400, 404)},
    )
    def get(self, request: Request, job_id: str) -> Response:
        """List what was brought home from this job, newest first."""
        job = own_job(request, job_id)
        rows = self.paginate_queryset(Artifact.objects.filter(job=job))
        answers = ArtifactAnswer(rows, many=True, context={"request": request})
        return self.get_paginated_response(answers.data)


class StopView(APIView):
    """Ending a job."""

    @extend_schema(
        parameters=[JOB_ID, SAVE],
        request=None,
        responses={202: DeploymentAnswer, **error_responses(400, 404, 409)},
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Ask for the end of the job's newest deployment; asking again is harmless."""
        return stop(request, newest_deployment(request, job_id))


class SaveView(APIView):
    """A checkpoint now."""

    @extend_schema(
        parameters=[JOB_ID],
        request=None,
        responses={202: DeploymentAnswer, **error_responses(404, 409)},
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Ask for a checkpoint at the next step; asking again is harmless."""
        newest = newest_deployment(request, job_id)
        asked = services.save_now(newest, requested_by=caller(request))
        (line,) = overview.deployment_lines([asked], now=database_now())
        return Response(DeploymentAnswer(line, context={"request": request}).data, status=202)
