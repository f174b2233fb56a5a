"""How pages answer: errors as pages, nothing kept in caches, blocks that refresh themselves."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from core.errors import NotFoundError, SlipwayError
from deployments.pages.context import burn_now

Parameters = ParamSpec("Parameters")
View = Callable[Concatenate[HttpRequest, Parameters], HttpResponse]
# htmx stops polling on this answer and still takes the content (its documentation, hx-trigger).
STOP_POLLING = 286


def page(view: View[Parameters]) -> View[Parameters]:
    """Answer a user's own error as a page, an unknown object as 404 (I18), and forbid caching."""

    @wraps(view)
    def answered(
        request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except SlipwayError as error:
            # One with a code of its own speaks of what is the reader's.
            if error.code == NotFoundError.code:
                raise Http404(error.message) from error
            response = problem_page(request, error)
        response.headers.setdefault("Cache-Control", "no-store, private")
        return response

    return answered


def problem_page(request: HttpRequest, error: SlipwayError, **extra: object) -> HttpResponse:
    """Say what happened and what to do, with the error's own status."""
    context = {"error": error, **extra}
    return render(request, "deployments/problem.html", context, status=error.http_status)


def member(request: HttpRequest) -> User:
    """Return the signed-in user; the middleware has let nobody else through."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


@dataclass(frozen=True)
class Block:
    """A part of a page that htmx replaces when it has changed; without scripts it just stands.

    ``url`` is where its newer self is, and names what the browser has, so that an unchanged block
    is answered with nothing and keeps the reader's focus, selection and place.
    """

    name: str
    html: SafeString
    url: str
    digest: str
    is_live: bool
    every_seconds: int


def block(
    request: HttpRequest,
    name: str,
    template: str,
    context: Mapping[str, Any],
    *,
    url: str,
    is_live: bool,
    every_seconds: int = 3,
) -> Block:
    """Render a block; ``url`` answers it alone, with any query it needs."""
    html = render_to_string(template, dict(context), request=request)
    digest = hashlib.blake2b(html.encode(), digest_size=8).hexdigest()
    joint = "&" if "?" in url else "?"
    newer = f"{url}{joint}{urlencode({'seen': digest})}"
    return Block(name, html, newer, digest, is_live, every_seconds)


def refreshed(
    request: HttpRequest, shown: Block, *, bills: bool = False, **also: object
) -> HttpResponse:
    """Answer a poll: the block if it has changed, and the end of polling once it never will.

    ``bills``: it says what bills, so the burn meter comes along and never says otherwise.
    ``also``: a new ``title`` of the window; a template to ``announce`` the change with, and its
    context.
    """
    if shown.is_live and request.GET.get("seen") == shown.digest:
        return HttpResponse(status=204)
    status = 200 if shown.is_live else STOP_POLLING
    if bills:
        also["burn"] = burn_now(member(request))
    return render(request, "_block.html", {"block": shown, **also}, status=status)
