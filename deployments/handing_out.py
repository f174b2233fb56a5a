"""Handing out what came home: the same bytes to programs and to people."""

from collections.abc import Iterator
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
from deployments.archives import artifact_folder, tar_of
from deployments.exports.bundle import bundle, bundle_name
from deployments.exports.model_card import MERGED
from deployments.models import Artifact, Checkpoint, Deployment

MEDIA_TYPE = "application/gzip"


def artifact_response(request: HttpRequest | Request, artifact: Artifact) -> HttpResponseBase:
    """Stream an artifact as .tar.gz; the ETag is its sha256, one range may be asked for.

    A merged model comes as .tar, made of its files on the way, without ranges.
    Raises: NotFoundError (E_ARTIFACT_MISSING) when the file is gone.
    """
    if artifact.kind == MERGED:
        return _merged_response(artifact)
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


def _merged_response(artifact: Artifact) -> HttpResponseBase:
    folder = artifact_folder(artifact.machine)
    if not all((folder / file["name"]).is_file() for file in artifact.files):
        raise NotFoundError(
            "A file of the merged model is no longer in the data folder.",
            remedy="Put the file back from a backup of the data folder.",
            code="E_ARTIFACT_MISSING",
        )
    named_after = slugify(artifact.job.name)
    return _made_on_the_way(
        tar_of(folder, artifact.files),
        content_type="application/x-tar",
        filename=f"{named_after}-{artifact.name}" if named_after else artifact.name,
        length=artifact.size_bytes,
    )


def _made_on_the_way(
    chunks: Iterator[bytes], *, content_type: str, filename: str, length: int | None = None
) -> HttpResponseBase:
    headers = {
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=filename)
        or "",
    }
    if length is not None:
        headers["Content-Length"] = str(length)
    return StreamingHttpResponse(chunks, content_type=content_type, headers=headers)


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
    return _made_on_the_way(chunks, content_type=MEDIA_TYPE, filename=name)
