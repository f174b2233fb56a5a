"""``/api/datasets``: upload, look, delete, and the signed download (API.md sections 3 and 5)."""

import json
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import get_authorization_header
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller, id_parameter
from core.api.file_response import AnyAccept, file_response
from core.api.idempotency import creates
from core.api.pagination import NewestFirst, page
from core.api.schema import ErrorSerializer, error_responses
from core.errors import InvalidInputError
from core.lookups import get_owned
from datasets import services, storage
from datasets.findings import as_csv
from datasets.models import Dataset
from datasets.serializers import (
    DatasetSerializer,
    FindingsSerializer,
    RowsSerializer,
    UploadSerializer,
)

# What a multipart body holds besides the file: names, the mapping, boundaries.
_MULTIPART_EXTRA_BYTES = 64 * 1024


class DatasetsView(GenericAPIView[Dataset]):
    """A user's datasets."""

    serializer_class = DatasetSerializer
    pagination_class = NewestFirst
    parser_classes = [MultiPartParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            _refuse_large_body(request)

    @extend_schema(
        operation_id="datasets_list",
        responses={200: DatasetSerializer(many=True), **error_responses(400)},
    )
    def get(self, request: Request) -> Response:
        """List your datasets, newest first."""
        rows = self.paginate_queryset(Dataset.objects.active().filter(user=caller(request)))
        return self.get_paginated_response(DatasetSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="datasets_create",
        request={"multipart/form-data": UploadSerializer},
        responses={201: DatasetSerializer, **error_responses(400, 413, 415)},
    )
    @creates("dataset")
    def post(self, request: Request) -> Response:
        """Upload a dataset. The answer holds what was found; a large one is checked by a worker."""
        upload = UploadSerializer(data=request.data)
        upload.is_valid(raise_exception=True)
        dataset = services.create_dataset(
            caller(request),
            file=upload.validated_data["file"],
            name=upload.validated_data["name"],
            mapping=_mapping(upload.validated_data["mapping"]),
        )
        return Response(DatasetSerializer(dataset).data, status=201)


class DatasetView(APIView):
    """One dataset."""

    @extend_schema(
        operation_id="datasets_retrieve",
        parameters=[id_parameter("dataset_id")],
        responses={200: DatasetSerializer, **error_responses(404)},
    )
    def get(self, request: Request, dataset_id: str) -> Response:
        """Show a dataset and what was found in it."""
        return Response(DatasetSerializer(_own(request, dataset_id)).data)

    @extend_schema(
        operation_id="datasets_destroy",
        parameters=[id_parameter("dataset_id")],
        responses={204: None, **error_responses(404, 409)},
    )
    def delete(self, request: Request, dataset_id: str) -> Response:
        """Delete a dataset that nothing needs any more."""
        services.delete_dataset(_own(request, dataset_id), actor=caller(request))
        return Response(status=204)


class PreviewView(APIView):
    """The first rows of a dataset."""

    @extend_schema(
        operation_id="datasets_preview",
        parameters=[id_parameter("dataset_id")],
        responses={200: RowsSerializer, **error_responses(404)},
    )
    def get(self, request: Request, dataset_id: str) -> Response:
        """Show the first three rows as they are trained on."""
        dataset = _own(request, dataset_id)
        rows = services.preview(dataset)
        return Response(page(rows, has_more=dataset.is_ready and dataset.rows > len(rows)))


class FindingsView(APIView):
    """What was found in a dataset."""

    # Leaves ?format= to the view: for REST framework it would name a renderer.
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="datasets_findings",
        parameters=[
            id_parameter("dataset_id"),
            OpenApiParameter("format", enum=["json", "csv"], default="json"),
        ],
        responses={
            (200, "application/json"): FindingsSerializer,
            (200, "text/csv"): OpenApiTypes.STR,
            **error_responses(400, 404),
        },
    )
    def get(self, request: Request, dataset_id: str) -> HttpResponseBase:
        """List the findings, errors first; ``format=csv`` for a spreadsheet."""
        dataset = _own(request, dataset_id)
        wanted = request.query_params.get("format", "json")
        if wanted == "csv":
            return HttpResponse(
                as_csv(dataset.findings),
                content_type="text/csv; charset=utf-8",
                headers={"Content-Disposition": 'attachment; filename="findings.csv"'},
            )
        if wanted != "json":
            raise InvalidInputError(
                f"There is no format {wanted!r}.", remedy="Use json or csv.", param="format"
            )
        total = sum(dataset.finding_totals.values())
        body = page(dataset.findings, has_more=total > len(dataset.findings))
        return Response({**body, "totals": dataset.finding_totals})


class DownloadView(APIView):
    """The signed download: the token is the whole permission (T5).

    It comes in the address, or as a Bearer token: our own agent keeps it out of access logs.
    """

    authentication_classes = []
    permission_classes = []
    content_negotiation_class = AnyAccept
    http_method_names = ["get", "head"]

    @extend_schema(
        operation_id="datasets_download",
        parameters=[
            OpenApiParameter("token", description="Or as ``Authorization: Bearer``."),
            OpenApiParameter("Range", location=OpenApiParameter.HEADER),
            OpenApiParameter("If-Range", location=OpenApiParameter.HEADER),
        ],
        auth=[],
        responses={
            (200, "application/jsonl"): OpenApiTypes.BINARY,
            (206, "application/jsonl"): OpenApiTypes.BINARY,
            304: None,
            403: ErrorSerializer,
            416: ErrorSerializer,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Stream the normalised rows to the machine that trains on them."""
        dataset = services.open_download(_download_token(request))
        return file_response(
            request,
            services.normalised_file(dataset),
            etag=dataset.normalised_sha256,
            content_type="application/jsonl",
            filename="dataset.jsonl",
        )

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        # The address is a secret: it must not be kept, nor told to the next site.
        final.headers["Cache-Control"] = "no-store"
        final.headers["Referrer-Policy"] = "no-referrer"
        return final


def _download_token(request: Request) -> str:
    scheme, _, token = get_authorization_header(request).partition(b" ")
    if scheme.lower() == b"bearer":
        return token.strip().decode("latin-1")
    return request.query_params.get("token", "")


def _own(request: Request, dataset_id: str) -> Dataset:
    return get_owned(Dataset.objects.active(), caller(request), dataset_id)


def _mapping(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InvalidInputError(
            "The mapping is not a JSON object.",
            remedy='Give {"prompt": "<column>", "completion": "<column>"}.',
            param="mapping",
        )
    return given


def _refuse_large_body(request: Request) -> None:
    """Refuse by the announced length, before a byte of the body is read to the disk (T18)."""
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        announced = 0
    if announced > settings.DATASET_SIZE_LIMIT_BYTES + _MULTIPART_EXTRA_BYTES:
        raise storage.too_large()
