"""``/api/artifacts/{id}/download``: taking the adapter home."""

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.caller import caller, id_parameter
from core.api.file_response import AnyAccept
from core.api.schema import error_responses
from core.lookups import get_owned
from deployments.handing_out import MEDIA_TYPE, artifact_response
from deployments.models import Artifact


class DownloadView(APIView):
    """The bytes of one artifact."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        parameters=[
            id_parameter("artifact_id"),
            OpenApiParameter("Range", location=OpenApiParameter.HEADER),
            OpenApiParameter("If-Range", location=OpenApiParameter.HEADER),
            OpenApiParameter("If-None-Match", location=OpenApiParameter.HEADER),
        ],
        responses={
            (200, MEDIA_TYPE): OpenApiTypes.BINARY,
            (206, MEDIA_TYPE): OpenApiTypes.BINARY,
            304: None,
            **error_responses(404, 416),
        },
    )
    def get(self, request: Request, artifact_id: str) -> HttpResponseBase:
        """Stream the artifact as .tar.gz; the ETag is its sha256, one range may be asked for."""
        mine = Artifact.objects.select_related("job")
        artifact = get_owned(mine, caller(request), artifact_id, owner="job__user")
        return artifact_response(request, artifact)
