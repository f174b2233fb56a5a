"""``/api/training/jobs/{id}/resume``, ``clone`` and ``samples``: what comes after a run."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import id_parameter
from core.api.idempotency import creates
from core.api.schema import error_responses
from deployments import sample_rows, services
from deployments.api.answers import ConfigAnswer, DeploymentAnswer, SamplesAnswer
from deployments.api.common import own_job
from deployments.api.deploying import short_answer
from deployments.api.inputs import CloneBody, ResumeBody

JOB_ID = id_parameter("job_id")


class ResumeView(APIView):
    """Going on with a job."""

    @extend_schema(
        parameters=[JOB_ID],
        request=ResumeBody,
        responses={202: DeploymentAnswer, **error_responses(400, 404, 409, 422, 502)},
    )
    @creates("deployment")
    def post(self, request: Request, job_id: str) -> Response:
        """Rent a machine and go on from a checkpoint that is home, by default the newest.

        With the recipe as it was, the deployment is the job's next one and ends as an unbroken run
        would. With changes (steps, epochs, how often to save and evaluate) it is a new job's; any
        other change is refused by name. 409: none is home (E_NO_CHECKPOINT), one is damaged
        (E_CHECKPOINT), the job is not over (E_RUN_LIVES). 400: nothing is left to train
        (E_NOTHING_LEFT).
        """
        job = own_job(request, job_id)
        body = ResumeBody(data=request.data)
        body.is_valid(raise_exception=True)
        deployment = services.resume(
            job,
            body.as_request(),
            platform=body.validated_data.get("platform", ""),
            checkpoint_id=body.validated_data.get("checkpoint_id") or "",
            changes=body.changes(),
        )
        return Response(short_answer(request, deployment), status=202)


class CloneView(APIView):
    """A job's settings once more."""

    @extend_schema(
        parameters=[JOB_ID],
        request=CloneBody,
        responses={201: ConfigAnswer, **error_responses(400, 404)},
    )
    @creates("config")
    def post(self, request: Request, job_id: str) -> Response:
        """Keep the job's settings as a new training config, changed as the body says.

        ``hyperparameters`` and ``eval`` are changed name by name. Nothing is started.
        """
        job = own_job(request, job_id)
        body = CloneBody(data=request.data)
        body.is_valid(raise_exception=True)
        config = services.clone(job, body.validated_data)
        return Response(ConfigAnswer(config).data, status=201)


class SamplesView(APIView):
    """The held-out prompts of a job."""

    @extend_schema(parameters=[JOB_ID], responses={200: SamplesAnswer, **error_responses(404)})
    def get(self, request: Request, job_id: str) -> Response:
        """Return the same few held-out prompts with what was answered at each evaluation."""
        found = sample_rows.of_job(own_job(request, job_id))
        told = {"object": "list", "data": found, "has_more": False}
        return Response(SamplesAnswer(told).data)
