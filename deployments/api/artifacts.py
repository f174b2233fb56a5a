"""``/api/artifacts/{id}/download`` and that of a checkpoint: taking an adapter home."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.caller import caller, id_parameter
from core.api.file_response import AnyAccept
from core.api.schema import error_responses
from core.lookups import get_owned
from deployments.handing_out import MEDIA_TYPE, artifact_response, checkpoint_response
from deployments.models import Artifact, Checkpoint

HEADERS = [
    OpenApiParameter(name, location=OpenApiParameter.HEADER)
    for name in ("Range", "If-Range", "If-None-Match")
]
RESPONSES: dict[Any, Any] = {
    (200, MEDIA_TYPE): OpenApiTypes.BINARY,
    (206, MEDIA_TYPE): OpenApiTypes.BINARY,
    304: None,
    **error_responses(404, 416),
}


class DownloadView(APIView):
    """The bytes of one artifact."""

    content_negotiation_class = AnyAccept

    @extend_schema(parameters=[id_parameter("artifact_id"), *HEADERS], responses=RESPONSES)
    def get(self, request: Request, artifact_id: str) -> HttpResponseBase:
        """Stream the artifact as .tar.gz; the ETag is its sha256, one range may be asked for."""
        mine = Artifact.objects.select_related("job")
        artifact = get_owned(mine, caller(request), artifact_id, owner="job__user")
        return artifact_response(request, artifact)


class CheckpointDownloadView(APIView):
    """The bytes of one checkpoint's adapter."""

    content_negotiation_class = AnyAccept

    @extend_schema(parameters=[id_parameter("checkpoint_id"), *HEADERS], responses=RESPONSES)
    def get(self, request: Request, checkpoint_id: str) -> HttpResponseBase:
        """Stream the adapter of a checkpoint that is home, as an artifact is."""
        mine = Checkpoint.objects.select_related("job")
        checkpoint = get_owned(mine, caller(request), checkpoint_id, owner="job__user")
        return checkpoint_response(request, checkpoint)
