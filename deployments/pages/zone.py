"""Times in the reader's own zone: static/app.js names it in a cookie, the pages word by it."""

import zoneinfo
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

COOKIE = "zone"
APP = "deployments"


class ReadersZone:
    """Words the times of the pages in the zone that the browser named; UTC without one.

    The pages alone: the REST interface and the admin tell UTC whoever asks.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self._get_response(request)
        finally:
            timezone.deactivate()

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: dict[str, Any]
    ) -> None:
        """Take up the reader's zone once it is known that a page is asked for."""
        match = request.resolver_match
        named = request.COOKIES.get(COOKIE, "")
        if match is not None and match.namespaces == [APP] and named in _known():
            timezone.activate(ZoneInfo(named))


def zone_words() -> str:
    """Return the present zone for the foot of the page: "UTC", or "Europe/Berlin (UTC+1)"."""
    zone = timezone.get_current_timezone()
    if str(zone) == "UTC":
        return "UTC"
    offset_now = timezone.localtime().utcoffset() or timedelta(0)
    minutes = int(offset_now.total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")
    return f"in your zone, {str(zone).replace('_', ' ')} (UTC{offset})"


@cache
def _known() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
