"""What a run can be taken elsewhere with: the bundle that repeats it."""

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.caller import id_parameter
from core.api.file_response import AnyAccept
from core.api.schema import error_responses
from deployments.api.common import newest_deployment
from deployments.api.inputs import flag_parameter
from deployments.handing_out import MEDIA_TYPE, bundle_response

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
