"""``Idempotency-Key``: a creating request that is sent again takes effect once (F1, T26).

``@creates("deployment")`` above a view's ``post`` is all a view does about it. The key is bound to
the user, method, address and body. A repeat is given the first answer again, marked by the header
``Idempotent-Replayed``; another body under the same key, and a repeat while the first request is
at work, are refused with 409.

What was refused (any error Slipway expects) took no effect and is forgotten, so that the same key
serves once the cause is mended. What failed in the middle is never done again by itself: a repeat
is told to look first.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.caller import caller
from core.errors import ConflictError, InvalidInputError, SlipwayError
from core.models import FirstAnswer
from core.time import database_now

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_KEY_CHARACTERS = 255
KEPT = timedelta(hours=24)
# No request takes as long: what is still without an answer then was cut off.
CUT_OFF_AFTER = timedelta(minutes=10)
# What stands in a repeat where the first answer told how to keep its secret (T26).
NOTICE = "notice"
_KEY = re.compile(rf"[\x20-\x7e]{{1,{MAX_KEY_CHARACTERS}}}")
_REFUSALS = (SlipwayError, APIException, Http404, PermissionDenied)

Parameters = ParamSpec("Parameters")
Post = Callable[Concatenate[Any, Request, Parameters], HttpResponseBase]


@dataclass(frozen=True)
class Creating:
    """What a view's ``post`` makes, and which fields of its answer are shown once."""

    noun: str
    shown_once: tuple[str, ...] = ()


def creates(
    noun: str, *, shown_once: Iterable[str] = ()
) -> Callable[[Post[Parameters]], Post[Parameters]]:
    """Give a creating ``post`` the Idempotency-Key.

    ``shown_once`` names the secret fields of its answer: they are never stored, and a repeat holds
    null in their place and says so in the field ``notice``.
    """
    creating = Creating(noun, tuple(shown_once))

    def decorate(post: Post[Parameters]) -> Post[Parameters]:
        @wraps(post)
        def once(
            view: Any, request: Request, /, *args: Parameters.args, **kwargs: Parameters.kwargs
        ) -> HttpResponseBase:
            key = request.headers.get(HEADER)
            if key is None:
                return post(view, request, *args, **kwargs)
            mine = _claim_of(request, key)
            first = _first_under(mine)
            if first is not mine:
                return _repeat(first, mine, creating)
            with _Attempt(mine):
                response = post(view, request, *args, **kwargs)
                _keep(mine, response, creating)
            return response

        once.creating = creating  # type: ignore[attr-defined]  # read by creating_of
        return once

    return decorate


def creating_of(view: object, method: str) -> Creating | None:
    """Return what a view's method makes under an Idempotency-Key, None if it takes none."""
    found = getattr(getattr(view, method.lower(), None), "creating", None)
    return found if isinstance(found, Creating) else None


class _Attempt:
    """The first request at work: a refusal frees the key, any other end without answer is kept."""

    def __init__(self, row: FirstAnswer) -> None:
        self._row = row

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            return
        mine = FirstAnswer.objects.filter(pk=self._row.pk)
        if issubclass(kind, _REFUSALS):
            mine.delete()
        else:
            mine.update(failed_at=database_now())


def _claim_of(request: Request, key: str) -> FirstAnswer:
    """Return the row that this request would be the first of, not yet written."""
    if not _KEY.fullmatch(key):
        raise InvalidInputError(
            f"{HEADER} is not 1 to {MAX_KEY_CHARACTERS} printable ASCII characters.",
            remedy="Use a fresh random id, such as a UUID, for each request you mean.",
            param=HEADER,
        )
    return FirstAnswer(
        user=caller(request),
        key_hash=hashlib.sha256(key.encode()).hexdigest(),
        request_hash=_request_hash(request),
        created_at=database_now(),
    )


def _first_under(mine: FirstAnswer) -> FirstAnswer:
    """Write the row and return it, or return the one that stands under its key already."""
    FirstAnswer.objects.filter(created_at__lt=mine.created_at - KEPT).delete()
    try:
        with transaction.atomic():
            mine.save(force_insert=True)
    except IntegrityError:
        first = FirstAnswer.objects.filter(user=mine.user_id, key_hash=mine.key_hash).first()
        if first is None:
            # Refused and forgotten between our two looks: the next try will be the first.
            raise _still_at_work() from None
        return first
    return mine


def _repeat(first: FirstAnswer, mine: FirstAnswer, creating: Creating) -> HttpResponseBase:
    if first.request_hash != mine.request_hash:
        raise ConflictError(
            f"This request id was used for a different {creating.noun}.",
            remedy=f"Send a fresh {HEADER} with a new request; a repeat must be exactly the same.",
            code="E_REQUEST_ID_USED",
            param=HEADER,
        )
    if first.status is not None:
        return HttpResponse(
            first.body,
            status=first.status,
            content_type="application/json",
            headers={REPLAYED: "true"},
        )
    if first.failed_at is None and mine.created_at - first.created_at < CUT_OFF_AFTER:
        raise _still_at_work()
    raise ConflictError(
        "The first request with this id did not end well; whether it took effect is not known.",
        remedy=f"List what you have. If the {creating.noun} is missing, ask with a fresh {HEADER}.",
        code="E_REQUEST_OUTCOME_UNKNOWN",
        param=HEADER,
    )


def _still_at_work() -> ConflictError:
    return ConflictError(
        "The first request with this id is still being worked on.",
        remedy="Send the same request again in a moment to get its answer.",
        code="E_REQUEST_IN_PROGRESS",
        param=HEADER,
    )


def _keep(mine: FirstAnswer, response: HttpResponseBase, creating: Creating) -> None:
    if not isinstance(response, Response):
        raise TypeError("A creating view answers with REST framework's Response.")
    data = response.data
    if creating.shown_once:
        hidden = dict.fromkeys(creating.shown_once)
        names = " and ".join(creating.shown_once)
        data = {**data, **hidden, NOTICE: f"The {names} was shown once, in the first answer."}
    FirstAnswer.objects.filter(pk=mine.pk).update(
        status=response.status_code, body=JSONRenderer().render(data).decode()
    )


def _request_hash(request: Request) -> str:
    """Return one hash over method, address and body; files count by their bytes."""
    digest = hashlib.sha256()
    digest.update(f"{request.method}\n{request.get_full_path()}\n".encode())
    for part in _body_parts(request.data):
        # Each part with its length, so that two bodies never run into the same bytes.
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()


def _body_parts(data: Any) -> Iterator[bytes]:
    if not isinstance(data, QueryDict):
        yield json.dumps(data, sort_keys=True).encode()
        return
    for name in sorted(data):
        yield name.encode("utf-8", "surrogatepass")
        for value in data.getlist(name):
            if isinstance(value, UploadedFile):
                yield str(value.name).encode("utf-8", "surrogatepass")
                yield from value.chunks()
                value.seek(0)
            else:
                yield str(value).encode("utf-8", "surrogatepass")
