"""Taking a run elsewhere: the bundle that repeats it, and pushes to the Hugging Face Hub."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller, id_parameter
from core.api.fields import StrictSerializer, Text
from core.api.file_response import AnyAccept
from core.api.idempotency import creates
from core.api.pagination import NewestFirst
from core.api.schema import error_responses
from deployments.api.common import newest_deployment, own_job
from deployments.api.inputs import flag_parameter
from deployments.exports import pushes
from deployments.handing_out import MEDIA_TYPE, bundle_response
from deployments.models import HubPush

JOB_ID = id_parameter("job_id")


class BundleView(APIView):
    """Everything to repeat a run without Slipway."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        parameters=[
            JOB_ID,
            OpenApiParameter(
                "data",
                OpenApiTypes.BOOL,
                default=True,
                description="false leaves the training data out; its sha256 stays in.",
            ),
        ],
        responses={(200, MEDIA_TYPE): OpenApiTypes.BINARY, **error_responses(400, 404, 409)},
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        """Stream the reproducibility bundle as .tar.gz; ``bash run.sh`` in it repeats the run."""
        with_data = flag_parameter(request, "data", default=True) is not False
        return bundle_response(newest_deployment(request, job_id), with_data=with_data)


class PushBody(StrictSerializer):
    """What is to be pushed, and where."""

    repo_id = Text(max_length=200, help_text="owner/name on the Hub; made when it is not there.")
    private = serializers.BooleanField(
        default=True, help_text="Of a repository that is made; one that is there stays as it is."
    )
    what = serializers.ChoiceField(choices=pushes.KINDS, default=pushes.KINDS[0])


class PushErrorAnswer(serializers.Serializer[Any]):
    """Why the last try failed."""

    code = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField(allow_blank=True)


class PushAnswer(serializers.ModelSerializer[HubPush]):
    """One artifact on its way to one repository."""

    what = serializers.CharField(source="artifact.kind")
    state = serializers.ChoiceField(choices=HubPush.State.choices)
    url = serializers.CharField(help_text="Of the repository, once it is pushed; else empty.")
    error = PushErrorAnswer(allow_null=True)

    class Meta:
        model = HubPush
        fields = (
            "id",
            "artifact_id",
            "what",
            "repo_id",
            "private",
            "state",
            "files_done",
            "files_total",
            "url",
            "commit",
            "error",
            "tries",
            "next_try_at",
            "created_at",
            "finished_at",
        )


class PushView(GenericAPIView[HubPush]):
    """What is home, on the Hub."""

    serializer_class = PushAnswer
    pagination_class = NewestFirst

    @extend_schema(
        parameters=[JOB_ID], responses={200: PushAnswer(many=True), **error_responses(400, 404)}
    )
    def get(self, request: Request, job_id: str) -> Response:
        """List the pushes of a job with how far each is, newest first."""
        rows = self.paginate_queryset(pushes.of_job(own_job(request, job_id)))
        return self.get_paginated_response(PushAnswer(rows, many=True).data)

    @extend_schema(
        parameters=[JOB_ID],
        request=PushBody,
        responses={202: PushAnswer, **error_responses(400, 404, 409)},
    )
    @creates("push")
    def post(self, request: Request, job_id: str) -> Response:
        """Push what is home to the Hub with the caller's token in the vault.

        Asking again for the same repository is harmless: only what is missing is sent.
        """
        job = own_job(request, job_id)
        body = PushBody(data=request.data)
        body.is_valid(raise_exception=True)
        push = pushes.ask(job, user=caller(request), **body.validated_data)
        return Response(PushAnswer(push).data, status=202)
