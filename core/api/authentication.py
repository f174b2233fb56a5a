"""Signing programs in by ``Authorization: Bearer slw_...``."""

from django.conf import settings
from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from core import audit, tokens
from core.addresses import client_network
from core.api.throttles import refuse_if_exceeded
from core.errors import AuthenticationError
from core.limits import take
from core.models import ApiToken

_SCHEME = b"bearer"


class BearerTokenAuthentication(BaseAuthentication):
    """Accept an API token of ours; ``request.auth`` is then its ApiToken row."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != _SCHEME:
            return None
        plaintext = parts[1].decode("latin-1") if len(parts) == 2 else ""
        token = tokens.authenticate(plaintext)
        if token is None:
            network = client_network(request)
            allowance = take(f"refused:{network}", limit=settings.REFUSED_TOKENS_PER_MINUTE)
            refuse_if_exceeded(request, allowance)
            audit.record_denied("token.refused", caller=network, network=network)
            # One answer for unknown, expired and revoked: a guesser learns nothing (T1).
            raise AuthenticationError(
                "The token is not valid.",
                remedy="Make a new token on the settings page or with manage.py create_token.",
                code="E_TOKEN",
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
