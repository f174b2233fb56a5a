"""What a cloud's answer that is not what was asked for means, and the error it is told by.

Each cloud's module says which answers are its own and what they mean; the words for all others are
the same everywhere.
"""

from dataclasses import dataclass

from deployments.providers.base import (
    ProviderError,
    ProviderRateLimitedError,
    ProviderUnavailableError,
    RefusalReason,
)
from deployments.providers.http import Answer

RATE_LIMITED = 429


@dataclass(frozen=True)
class Verdict:
    """What an answer means: the error's class, its words, and why a launch failed.

    ``final`` False: a launch answered so may have happened (D2).
    """

    error: type[ProviderError]
    message: str
    remedy: str
    reason: RefusalReason = "other"
    code: str | None = None
    retryable: bool | None = None
    final: bool = True


def is_good(answer: Answer) -> bool:
    """Say whether the answer is a success, as far as the status tells."""
    return 200 <= answer.status < 300


def wait_remedy(label: str) -> str:
    """Return what to do about a cloud that fails."""
    return f"We ask again. If it lasts, look at {label}'s status page."


def error_of(
    answer: Answer,
    verdict: Verdict | None,
    *,
    label: str,
    detail: dict[str, object],
    counted_by: str = "key",
) -> ProviderError:
    """Return the error an answer stands for; ``counted_by``: what the cloud's pace is kept by."""
    details = [detail]
    if answer.status == RATE_LIMITED:
        return ProviderRateLimitedError(
            f"{label} says that we ask too often.",
            remedy="We ask again more slowly. Other programs under the same "
            f"{counted_by} count as well.",
            details=details,
            retry_after_seconds=answer.retry_after_seconds,
        )
    if verdict is not None:
        return verdict.error(
            verdict.message,
            remedy=verdict.remedy,
            code=verdict.code,
            details=details,
            retryable=verdict.retryable,
        )
    return ProviderUnavailableError(
        _what_came_instead(answer, label), remedy=wait_remedy(label), details=details
    )


def unreadable(label: str, what: str) -> ProviderUnavailableError:
    """Return the error for a success whose content is not what the vendor's document promises."""
    return ProviderUnavailableError(
        f"{label}'s answer cannot be read: {what}.",
        remedy="We ask again. If it lasts, Slipway may need an update.",
    )


def _what_came_instead(answer: Answer, label: str) -> str:
    if 300 <= answer.status < 400:
        return (
            f"{label}'s API points to another address (HTTP {answer.status}), which we do not "
            "follow with a key in hand."
        )
    if answer.status >= 500:
        return f"{label}'s API fails (HTTP {answer.status})."
    return f"Something other than {label}'s API answered (HTTP {answer.status})."
