"""Answering a poll with 304 when nothing has changed (API.md section 3, issue 3)."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    location=OpenApiParameter.HEADER,
    description="The ETag of the answer you hold; 304 if it still stands.",
)
# May be held, must be asked about each time.
_REVALIDATE = "private, no-cache"


def unless_known(
    request: Request, facts: Iterable[object], answer: Callable[[], Any]
) -> HttpResponseBase:
    """Answer 304 if the caller holds the answer that these facts make, else work it out.

    ``facts`` must change whenever the answer does; they are read before it, so that an answer
    newer than its ETag is only sent once more.
    """
    tag = _tag("\n".join(str(fact) for fact in (request.get_full_path(), *facts)).encode())
    if _is_known(request, tag):
        return _with(HttpResponse(status=304), tag)
    return _with(Response(answer()), tag)


def unless_same(request: Request, data: Any) -> HttpResponseBase:
    """Answer 304 if the caller holds exactly this; for answers no few facts stand for."""
    tag = _tag(JSONRenderer().render(data))
    return _with(HttpResponse(status=304) if _is_known(request, tag) else Response(data), tag)


def _tag(content: bytes) -> str:
    # Weak: the same figures, whatever the bytes that a later version writes them in.
    return f'W/"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'


def _is_known(request: Request, tag: str) -> bool:
    held = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return "*" in held or tag.removeprefix("W/") in {each.removeprefix("W/") for each in held}


def _with(response: HttpResponseBase, tag: str) -> HttpResponseBase:
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = _REVALIDATE
    return response
