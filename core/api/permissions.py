"""What a token may do: read, deploy, admin."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from core import audit, confirmation, tokens
from core.errors import PermissionDeniedError
from core.models import ApiToken


class HasScope(BasePermission):
    """Reading needs ``read``, everything else ``deploy``; people with a session may do all.

    A view says otherwise by method: ``required_scopes = {"POST": "admin"}``. With
    ``needs_password = {"POST"}`` a session that was not lately confirmed is sent to do so (T14).
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiToken):
            if request.method in getattr(view, "needs_password", ()):
                _require_confirmation(request)
            return True
        usual = "read" if request.method in SAFE_METHODS else "deploy"
        needed = getattr(view, "required_scopes", {}).get(request.method, usual)
        if not tokens.allows(request.auth, needed):
            audit.record_denied(
                "scope.denied",
                caller=f"token:{request.auth.pk}",
                actor=request.auth.user,
                token=request.auth.prefix,
                scope=needed,
            )
            raise PermissionDeniedError(
                f"This token lacks the scope {needed}.",
                remedy=f"Make a token with the scope {needed}.",
                code="E_SCOPE",
            )
        return True


def _require_confirmation(request: Request) -> None:
    if not confirmation.is_fresh(request._request):  # noqa: SLF001  # Django's own, whose session it is
        raise PermissionDeniedError(
            "This needs your password again: it was last given more than 15 minutes ago.",
            remedy="Confirm it at /settings/confirm/, or use an API token.",
            code="E_PASSWORD_NEEDED",
        )
