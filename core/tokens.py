"""API tokens for programs: made once, shown once, kept as a hash."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from core import audit
from core.errors import ConflictError, InvalidInputError
from core.models import ApiToken
from core.time import database_now

PREFIX = "slw_"
# Each scope includes the ones before it.
SCOPES = ("read", "deploy", "admin")
DEFAULT_SCOPES = ("read", "deploy")
# Enough for any program; a loop that makes tokens stops here.
MAX_LIVE_TOKENS = 100
_LAST_USED_GRAIN = timedelta(minutes=1)


def create_token(
    user: User,
    *,
    name: str,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token and return its row and the token itself, which is shown this once.

    The token is ``slw_`` and 256 random bits in 43 URL-safe characters.
    Raises: InvalidInputError for an unknown scope, none at all, or an expiry in the past.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise InvalidInputError(
            f"Unknown scope {unknown[0]!r}." if unknown else "A token needs at least one scope.",
            remedy=f"Choose among {', '.join(SCOPES)}.",
            param="scopes",
        )
    now = database_now()
    if expires_at is not None and expires_at <= now:
        raise InvalidInputError(
            "The expiry lies in the past.", remedy="Name a later time.", param="expires_at"
        )
    plaintext = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=plaintext[: len(PREFIX) + 4],
        token_hash=_hash(plaintext),
        scopes=[scope for scope in SCOPES if scope in scopes],
        created_at=now,
        expires_at=expires_at.astimezone(UTC) if expires_at else None,
    )
    return token, plaintext


def issue(
    user: User,
    *,
    name: str,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token at its owner's wish, as ``create_token`` does, and tell the audit trail.

    Raises: ConflictError when the user has as many as anybody may.
    """
    if live_tokens(user).count() >= MAX_LIVE_TOKENS:
        raise ConflictError(
            f"You have {MAX_LIVE_TOKENS} tokens already.", remedy="Revoke one you do not use."
        )
    token, plaintext = create_token(user, name=name, scopes=scopes, expires_at=expires_at)
    audit.record("token.created", actor=user, obj=token, scopes=token.scopes)
    return token, plaintext


def authenticate(plaintext: str) -> ApiToken | None:
    """Return the token's row, or None when it is unknown, expired, revoked or its user inactive.

    A token issued in the future is as good as unknown (I16). Every answer costs one hash and the
    same queries, whatever the text; all times are the database's (F78).
    """
    now = database_now()
    token = (
        ApiToken.objects.select_related("user")
        .filter(token_hash=_hash(plaintext), created_at__lte=now)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
        .filter(revoked_at__isnull=True, user__is_active=True)
        .first()
    )
    if token is not None:
        _note_use(token)
    return token


def live_tokens(user: User) -> QuerySet[ApiToken]:
    """Return the user's tokens that are neither revoked nor expired."""
    mine = ApiToken.objects.filter(user=user, revoked_at__isnull=True)
    return mine.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))


def revoke(token: ApiToken, *, actor: User) -> None:
    """End the token now; ending it again changes nothing."""
    standing = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
    if standing.update(revoked_at=Now()):
        audit.record("token.revoked", actor=actor, obj=token)


def allows(token: ApiToken, scope: str) -> bool:
    """Say whether the token holds ``scope`` or one that includes it."""
    needed = SCOPES.index(scope)
    return any(SCOPES.index(held) >= needed for held in token.scopes if held in SCOPES)


def _hash(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()


def _note_use(token: ApiToken) -> None:
    # At most one write a minute: a polling program must not turn every read into a write.
    ApiToken.objects.filter(pk=token.pk).filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - _LAST_USED_GRAIN)
    ).update(last_used_at=Now())
