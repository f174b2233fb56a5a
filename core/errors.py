"""The errors a user may see: what happened, what to do, and a stable code.

No Django here, so that providers, remote and training can raise them too.
"""

from collections.abc import Sequence
from typing import ClassVar


class SlipwayError(Exception):
    """Something a user may be told, in the words of API.md section 1.

    ``message`` says what happened, ``remedy`` what the reader can do, ``code`` is stable for
    programs, ``param`` names the offending field, ``details`` lists further findings.
    """

    code: str = "E_INTERNAL"
    type: ClassVar[str] = "server_error"
    http_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str | None = None,
        param: str | None = None,
        details: Sequence[object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code or type(self).code
        self.param = param
        self.details = list(details) if details is not None else None

    def as_body(self) -> dict[str, dict[str, object]]:
        """Return the one error body of API.md section 1."""
        error: dict[str, object] = {
            "code": self.code,
            "type": type(self).type,
            "message": self.message,
            "param": self.param,
            "remedy": self.remedy,
        }
        if self.details is not None:
            error["details"] = self.details
        return {"error": error}


class InvalidInputError(SlipwayError):
    """The request is wrong in a way its sender can mend (400)."""

    code = "E_INVALID"
    type = "invalid_request_error"
    http_status = 400


class AuthenticationError(SlipwayError):
    """Nobody is signed in, or the token is not good (401)."""

    code = "E_UNAUTHENTICATED"
    type = "authentication_error"
    http_status = 401


class PermissionDeniedError(SlipwayError):
    """The caller is known but may not do this (403)."""

    code = "E_FORBIDDEN"
    type = "permission_error"
    http_status = 403


class NotFoundError(SlipwayError):
    """No such object, or somebody else's (404; the two answer alike, I18)."""

    code = "E_NOT_FOUND"
    type = "not_found_error"
    http_status = 404


class ConflictError(SlipwayError):
    """The object's present state does not allow this (409)."""

    code = "E_CONFLICT"
    type = "conflict_error"
    http_status = 409


class TooLargeError(SlipwayError):
    """More bytes than allowed (413)."""

    code = "E_TOO_LARGE"
    type = "invalid_request_error"
    http_status = 413


class UnusableDataError(SlipwayError):
    """Data that parses but cannot be used (422)."""

    code = "E_DATA"
    type = "invalid_request_error"
    http_status = 422


class RateLimitedError(SlipwayError):
    """Too many requests (429)."""

    code = "E_RATE_LIMITED"
    type = "rate_limit_error"
    http_status = 429

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.retry_after_seconds = retry_after_seconds


class ProviderError(SlipwayError):
    """A cloud refused, failed, or could not be reached (502)."""

    code = "E_PROVIDER"
    type = "provider_error"
    http_status = 502


class DatabaseAwayError(SlipwayError):
    """The database does not answer, or answers that it is busy (503; F76, F77)."""

    code = "E_DATABASE_AWAY"
    type = "server_error"
    http_status = 503
    retry_after_seconds: ClassVar[int] = 10

    def __init__(self) -> None:
        super().__init__(
            "Slipway cannot use its database right now.",
            remedy=f"Try again in {self.retry_after_seconds} seconds. If you asked for a change, "
            "look first whether it was made. If it stays, tell the operator.",
        )


class ServerFaultError(SlipwayError):
    """Slipway itself failed (500)."""
