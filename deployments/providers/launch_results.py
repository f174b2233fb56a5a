"""How a launch that never left, or was turned down, is told: the same for every cloud."""

from collections.abc import Callable

from deployments.providers.base import (
    LaunchResult,
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRefusedError,
    RefusalReason,
    Refused,
    Unknown,
)
from deployments.providers.http import Answer, AnswerLostError, NeverReachedError


def result_of(send: Callable[[], Answer], judge: Callable[[Answer], LaunchResult]) -> LaunchResult:
    """Send a launch once; one whose answer is lost may have happened, and is no refusal (D2)."""
    try:
        answer = send()
    except AnswerLostError as error:
        return Unknown(error.message)
    except ProviderError as error:
        return refused(error, reason_not_sent(error))
    return judge(answer)


def reason_not_sent(error: ProviderError) -> RefusalReason:
    """Return why a launch never left; everything here happened before the request."""
    if isinstance(error, ProviderBusyError):
        return "rate_limited"
    if isinstance(error, NeverReachedError):
        return "unreachable"
    return "auth" if isinstance(error, ProviderAuthError) else "other"


def refused(
    error: ProviderError, reason: RefusalReason, retry_after_seconds: float | None = None
) -> Refused:
    """Return the refusal, in words that say that nothing was started."""
    if isinstance(error, ProviderBusyError):
        retry_after_seconds = error.retry_after_seconds
    error.message = f"{error.message} Nothing was started."
    error.args = (error.message,)
    return Refused(error, reason, retry_after_seconds)


def type_and_blob(public_key: str) -> tuple[str, str]:
    """Return what tells one OpenSSH public key from another; comments may differ."""
    parts = public_key.split()
    if len(parts) < 2:
        raise ProviderRefusedError(
            "The SSH login key is not an OpenSSH public key.",
            remedy="Check LAMBDA_SSH_KEY_PATH, or leave it empty.",
            code="E_LOGIN_KEY",
        )
    return parts[0], parts[1]
