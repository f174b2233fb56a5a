"""One way to hand out a file: streamed, resumable, and never shown inside a browser (T13)."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from core.errors import SlipwayError

CHUNK_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class RangeNotSatisfiableError(SlipwayError):
    """The range that was asked for lies behind the end of the file (416)."""

    code = "E_RANGE"
    type = "invalid_request_error"
    http_status = 416


class AnyAccept(BaseContentNegotiation):
    """For views that hand out a file: it has one form, whatever ``Accept`` says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class FileSlice:
    """Bytes ``start`` to before ``end`` of an open file, in chunks; ``close`` closes the file."""

    def __init__(self, file: BinaryIO, *, start: int, end: int) -> None:
        file.seek(start)
        self._file = file
        self._left = end - start

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0:
            chunk = self._file.read(min(CHUNK_BYTES, self._left))
            if not chunk:
                return
            self._left -= len(chunk)
            yield chunk

    def close(self) -> None:
        # The response calls this at its end, also when nothing was sent.
        self._file.close()


def file_response(
    request: HttpRequest | Request,
    path: Path,
    *,
    etag: str,
    content_type: str,
    filename: str | None = None,
) -> HttpResponseBase:
    """Answer GET or HEAD with the file, or with the one range of it that was asked for.

    ``etag`` names the bytes, without quotes: their sha256. ``filename`` is what they are saved as.
    Several ranges at once, ranges in another unit and ranges on HEAD are ignored, as RFC 9110
    section 14.2 allows or asks; a range behind the end answers 416 with the size.
    Raises: OSError when the file cannot be read.
    """
    quoted = f'"{etag}"'
    response: HttpResponseBase
    if quoted in parse_etags(request.META.get("HTTP_IF_NONE_MATCH", "")):
        response = HttpResponse(status=304)
    else:
        response = _bytes_response(request, path, etag=quoted, content_type=content_type)
    response.headers["ETag"] = quoted
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    disposition = content_disposition_header(as_attachment=True, filename=filename or "")
    if disposition is not None:
        response.headers["Content-Disposition"] = disposition
    return response


def _bytes_response(
    request: HttpRequest | Request, path: Path, *, etag: str, content_type: str
) -> HttpResponseBase:
    file = path.open("rb")
    size = os.fstat(file.fileno()).st_size
    wanted = _wanted_range(request, etag=etag, size=size)
    if wanted is not None and not wanted:
        file.close()
        return _not_satisfiable(size)
    span = range(size) if wanted is None else wanted
    response: HttpResponseBase
    if request.method == "HEAD":
        file.close()
        response = HttpResponse(content_type=content_type)
    else:
        body = FileSlice(file, start=span.start, end=span.stop)
        response = StreamingHttpResponse(body, content_type=content_type)
    response.headers["Content-Length"] = str(len(span))
    if wanted is not None:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return response


def _wanted_range(request: HttpRequest | Request, *, etag: str, size: int) -> range | None:
    """Return the bytes asked for, None for all of them; an empty range cannot be satisfied."""
    found = _RANGE.fullmatch(request.META.get("HTTP_RANGE", "").strip())
    if request.method != "GET" or found is None:
        return None
    # The client holds the beginning of another version: a part of ours would not fit to it.
    if request.META.get("HTTP_IF_RANGE", etag).strip() != etag:
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    end = min(int(last) + 1, size) if last else size
    return range(int(first), end)


def _not_satisfiable(size: int) -> JsonResponse:
    error = RangeNotSatisfiableError(
        f"The file has {size} bytes; the range begins behind its end.",
        remedy="Ask for a range within the file, or for all of it.",
    )
    return JsonResponse(
        error.as_body(), status=error.http_status, headers={"Content-Range": f"bytes */{size}"}
    )
