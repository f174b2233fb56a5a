"""Handing out what came home: the same bytes to programs and to people."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from rest_framework.request import Request

from core.api.file_response import file_response
from core.errors import NotFoundError
from core.time import database_now
from deployments.exports.bundle import bundle, bundle_name
from deployments.models import Artifact, Checkpoint, Deployment

MEDIA_TYPE = "application/gzip"


def artifact_response(request: HttpRequest | Request, artifact: Artifact) -> HttpResponseBase:
    """Stream an artifact as .tar.gz; the ETag is its sha256, one range may be asked for.

    Raises: NotFoundError (E_ARTIFACT_MISSING) when the file is gone.
    """
    return _response(
        request, artifact.path, sha256=artifact.sha256, name=artifact.name, run=artifact.job.name
    )


def checkpoint_response(request: HttpRequest | Request, checkpoint: Checkpoint) -> HttpResponseBase:
    """Stream a checkpoint's adapter as .tar.gz, as an artifact; its pickles are never handed out.

    Raises: NotFoundError (E_ARTIFACT_MISSING) when it is not home, or its file is gone.
    """
    if checkpoint.home_at is None:
        raise NotFoundError(
            f"Checkpoint {checkpoint.step} is not home.",
            remedy=checkpoint.left_because or "Take one that is home, or the run's adapter.",
            code="E_ARTIFACT_MISSING",
        )
    return _response(
        request,
        checkpoint.home_path,
        sha256=checkpoint.home_sha256,
        name=Path(checkpoint.home_path).name,
        run=checkpoint.job.name,
    )


def _response(
    request: HttpRequest | Request, path: str, *, sha256: str, name: str, run: str
) -> HttpResponseBase:
    named_after = slugify(run)
    try:
        return file_response(
            request,
            settings.SLIPWAY_DATA_DIR / path,
            etag=sha256,
            content_type=MEDIA_TYPE,
            filename=f"{named_after}-{name}" if named_after else name,
        )
    except FileNotFoundError:
        raise NotFoundError(
            "The file is no longer in the data folder.",
            remedy="Put the file back from a backup of the data folder.",
            code="E_ARTIFACT_MISSING",
        ) from None


def bundle_response(deployment: Deployment, *, with_data: bool) -> HttpResponseBase:
    """Stream the bundle that repeats a run as .tar.gz; it is made on the way, so no ranges.

    Raises: ServerFaultError when the data's file is lost.
    """
    chunks = bundle(deployment, with_data=with_data, now=database_now())
    name = f"{bundle_name(deployment)}.tar.gz"
    headers = {
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "",
    }
    return StreamingHttpResponse(chunks, content_type=MEDIA_TYPE, headers=headers)
