"""What is answered to too many wrong passwords (T1)."""

import math

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core import audit
from core.addresses import client_network


def locked_out(
    request: HttpRequest, original_response: HttpResponse | None, credentials: object
) -> HttpResponse:
    """Answer 429 in the same words whether there is such an account or not.

    django-axes calls this for the attempt that locks the account, and for each one until the lock
    is over. I19: a denied access leaves an audit row, without the name that was tried, which may
    be a mistyped password.
    """
    seconds = math.ceil(settings.AXES_COOLOFF_TIME.total_seconds())
    network = client_network(request)
    audit.record_denied("sign_in.locked", caller=network, network=network)
    response = render(request, "429.html", status=429)
    response.headers["Retry-After"] = str(seconds)
    return response
