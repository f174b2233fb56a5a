"""Whose sessions live, so that their owner can see and end them (T14).

Django keeps sessions by their key alone. A row beside each says whose it is; it is renewed at most
every few minutes, and goes with the session: signing out, ending it here and expiry all delete it.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core import audit
from core.addresses import client_address
from core.models import SignIn

# What a session remembers, as Unix times of this host.
SIGNED_IN_AT = "signed_in_at"
ACTIVE_AT = "active_at"
NOTED_AT = "noted_at"
NOTED_EVERY_SECONDS = 300
_USER_AGENT_CHARACTERS = 300


def note_if_due(request: HttpRequest, *, now: float) -> None:
    """Renew the row of a signed-in session, unless that was done a moment ago."""
    due = now - float(request.session.get(NOTED_AT, 0)) >= NOTED_EVERY_SECONDS
    if due and isinstance(request.user, User):
        note(request, request.user)


def note(request: HttpRequest, user: User) -> None:
    """Write down that this session is the user's, when it was seen, and from where."""
    now = time.time()
    request.session[NOTED_AT] = now
    if request.session.session_key is None:
        request.session.save()
    key = request.session.session_key or ""
    seen = {
        "last_seen_at": datetime.fromtimestamp(now, UTC),
        "user_agent": request.headers.get("User-Agent", "")[:_USER_AGENT_CHARACTERS],
        "address": client_address(request),
    }
    if SignIn.objects.filter(session_id=key, user=user).update(**seen):
        return
    since = datetime.fromtimestamp(float(request.session.get(SIGNED_IN_AT, now)), UTC)
    # Ended by its owner in this moment, it has no row to stand beside.
    with suppress(IntegrityError), transaction.atomic():
        SignIn.objects.create(user=user, session_id=key, created_at=since, **seen)


def live_sign_ins(user: User) -> QuerySet[SignIn]:
    """Return the user's sign-ins that are not over, the one seen last first."""
    now = timezone.now()
    idle = timedelta(seconds=settings.SESSION_IDLE_SECONDS + NOTED_EVERY_SECONDS)
    return SignIn.objects.filter(
        user=user,
        session__expire_date__gt=now,
        created_at__gt=now - timedelta(seconds=settings.SESSION_COOKIE_AGE),
        last_seen_at__gt=now - idle,
    )


def is_own(sign_in: SignIn, request: HttpRequest) -> bool:
    """Say whether this very request comes under that sign-in."""
    return sign_in.session_id == request.session.session_key


def end(sign_in: SignIn, *, actor: User) -> None:
    """End a session now: whoever has it must sign in again."""
    with transaction.atomic():
        Session.objects.filter(pk=sign_in.session_id).delete()
        audit.record("session.ended", actor=actor, obj=sign_in)


def end_others(request: HttpRequest, user: User) -> int:
    """End every session of the user but that of this request; return how many those were."""
    with transaction.atomic():
        others = SignIn.objects.filter(user=user).exclude(session_id=request.session.session_key)
        ended = list(others)
        Session.objects.filter(sign_in__in=ended).delete()
        audit.record("sessions.ended", actor=user, obj=user, ended=len(ended))
    return len(ended)
