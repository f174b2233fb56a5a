"""The limits of the REST interface: by token, by signed-in user, by address (T1)."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.addresses import client_network
from core.errors import RateLimitedError
from core.limits import Allowance, take
from core.models import ApiToken

# Where a request carries what was counted, for the answer's headers.
ALLOWANCE = "slipway.allowance"


class CallerLimit(BaseThrottle):
    """Reads and changes are counted apart; routes without a sign-in count by address."""

    def allow_request(self, request: Request, view: Any) -> bool:
        subject, limit = _counted(request)
        refuse_if_exceeded(request, take(subject, limit=limit))
        return True


def refuse_if_exceeded(request: Request, allowance: Allowance) -> None:
    """Keep what was counted for the answer's headers; raises RateLimitedError if it is too much."""
    request.META[ALLOWANCE] = allowance
    if allowance.is_exceeded:
        wait = allowance.resets_in_seconds
        raise RateLimitedError(
            f"More than {allowance.limit} requests in one minute.",
            remedy=f"Wait {wait} seconds. The RateLimit headers say what is left.",
            retry_after_seconds=wait,
        )


def _counted(request: Request) -> tuple[str, int]:
    """Return whose request it counts as, and how many of its kind a minute may have."""
    if isinstance(request.auth, ApiToken):
        caller = f"token:{request.auth.pk}"
    elif isinstance(request.user, User):
        caller = f"user:{request.user.pk}"
    else:
        # The machine's calls: their tokens lie in the address or are the view's own to read.
        return f"address:{client_network(request)}", settings.TOKEN_ROUTE_CALLS_PER_MINUTE
    if request.method in SAFE_METHODS:
        return f"{caller}:read", settings.API_READS_PER_MINUTE
    return f"{caller}:write", settings.API_WRITES_PER_MINUTE
