"""The password once more, before what a stolen session must not do (T14)."""

import time

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest

from core import sessions

# What a session remembers, as a Unix time of this host.
CONFIRMED_AT = "confirmed_at"
FRESH_FOR_SECONDS = 15 * 60


def is_fresh(request: HttpRequest) -> bool:
    """Say whether the password was given under this session in the last 15 minutes."""
    age = time.time() - float(request.session.get(CONFIRMED_AT, 0))
    return 0 <= age <= FRESH_FOR_SECONDS


def note(request: HttpRequest) -> None:
    """Remember that the password was given just now."""
    request.session[CONFIRMED_AT] = time.time()


def is_password_of(user: User, password: str, *, request: HttpRequest) -> bool:
    """Try a password of a signed-in user; wrong ones count as at the sign-in, and lock as there."""
    found = authenticate(request, username=user.get_username(), password=password)
    return found is not None and found.pk == user.pk


def confirm(request: HttpRequest, user: User, password: str) -> bool:
    """Take the password for the next 15 minutes; False if it is wrong.

    The session gets a new name, so that one that was known before is not raised with it.
    """
    if not is_password_of(user, password, request=request):
        return False
    request.session.cycle_key()
    note(request)
    sessions.note(request, user)
    return True
