"""Lambda's answers that are not what was asked for, as our errors.

Decided by the status and ``error.code`` alone; texts are only passed on, since the vendor says
that they may change. Source: Lambda Cloud API 1.10.0, schemas ApiError* (read 2026-11), and
accounts of live answers where the document is silent (429 comes from the edge as plain text).
"""

import re

from deployments.providers import verdicts
from deployments.providers.base import (
    ProviderAuthError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from deployments.providers.http import Answer, HttpClient
from deployments.providers.verdicts import Verdict, wait_remedy

LABEL = "Lambda"
CONSOLE_URL = "https://cloud.lambda.ai/instances"
# These say "not here, ask there": the request was not carried out. Others (303) may come after.
MOVED = (301, 307, 308)

WAIT_REMEDY = wait_remedy(LABEL)
CONSOLE_REMEDY = f"Open your account at {CONSOLE_URL} and settle it there, then try again."


FAILURE = Verdict(
    ProviderUnavailableError, "Lambda reports a failure of its own.", WAIT_REMEDY, final=False
)
KEY_REFUSED = Verdict(
    ProviderAuthError,
    "Lambda refused the key.",
    "Make a new key at Lambda and store it in the vault.",
    reason="auth",
)

VERDICTS: dict[str, Verdict] = {
    "global/invalid-api-key": KEY_REFUSED,
    "global/forbidden": Verdict(
        ProviderAuthError,
        "Lambda does not allow this with the key.",
        "Use a key of a workspace that may launch machines, and store it in the vault.",
        reason="auth",
    ),
    "global/account-inactive": Verdict(
        ProviderRefusedError,
        "Lambda says that the account is not active.",
        CONSOLE_REMEDY,
        reason="quota",
        code="E_ACCOUNT",
    ),
    "global/invalid-address": Verdict(
        ProviderRefusedError,
        "Lambda wants a valid billing address first.",
        CONSOLE_REMEDY,
        reason="quota",
        code="E_ACCOUNT",
    ),
    "global/quota-exceeded": Verdict(
        ProviderRefusedError,
        "The account's limit at Lambda is reached.",
        f"End machines you do not need, or ask for a higher limit, at {CONSOLE_URL}.",
        reason="quota",
        code="E_QUOTA",
    ),
    "instance-operations/launch/insufficient-capacity": Verdict(
        ProviderRefusedError,
        "Lambda has no free machine of this type in this region.",
        "Wait, or allow other GPU types or regions.",
        reason="capacity",
        code="E_CAPACITY",
        retryable=True,
    ),
    "global/invalid-parameters": Verdict(
        ProviderRefusedError,
        "Lambda found the request invalid.",
        "Choose another machine type or region; if that does not help, report this as a bug.",
        reason="invalid",
    ),
    "global/object-does-not-exist": Verdict(
        ProviderRefusedError,
        "Lambda does not know something the request names.",
        "Choose another machine type or region, or check the name of your SSH key.",
        reason="invalid",
    ),
    "global/not-found": Verdict(
        ProviderRefusedError,
        "Lambda does not know what was asked for.",
        "Check the name or id, and the address of the API.",
        reason="invalid",
    ),
    "global/duplicate": Verdict(
        ProviderRefusedError,
        "Lambda has something of this name already.",
        "Choose another name.",
        reason="invalid",
    ),
    "global/conflict": Verdict(
        ProviderRefusedError,
        "Lambda is busy with another change to this.",
        "Try again in a minute.",
        retryable=True,
    ),
    "global/internal-error": FAILURE,
    "global/unknown": FAILURE,
}
OTHER_REFUSAL = Verdict(
    ProviderRefusedError,
    "Lambda refused the request.",
    "Read Lambda's own words in the details.",
)


def vendor_code(answer: Answer) -> str | None:
    """Return ``error.code`` of an answer in Lambda's error envelope, None for any other."""
    code = _envelope(answer).get("code")
    # A code is a path of words; what is not may be anybody's JSON.
    if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_./-]{1,120}", code):
        return code
    return None


def verdict_on(answer: Answer) -> Verdict | None:
    """Return what an answer of Lambda's own means; None when it is not Lambda that speaks.

    Success, failures (5xx), pages of proxies and redirects have no verdict.
    """
    code = vendor_code(answer)
    if code is None or not 400 <= answer.status < 500:
        return None
    if code.startswith("provider/"):
        return FAILURE
    return VERDICTS.get(code) or (KEY_REFUSED if answer.status in (401, 403) else OTHER_REFUSAL)


def error_of(answer: Answer, http: HttpClient) -> ProviderError:
    """Return the error an answer stands for."""
    detail = _detail(answer, http)
    return verdicts.error_of(answer, verdict_on(answer), label=LABEL, detail=detail)


def unreadable(what: str) -> ProviderError:
    """Return the error for a success whose content is not what the document promises."""
    return verdicts.unreadable(LABEL, what)


def _envelope(answer: Answer) -> dict[str, object]:
    content = answer.content
    error = content.get("error") if isinstance(content, dict) else None
    return error if isinstance(error, dict) else {}


def _detail(answer: Answer, http: HttpClient) -> dict[str, object]:
    """Return Lambda's own words, for people: they are never decided upon."""
    envelope = _envelope(answer)
    said = envelope.get("message")
    return {
        "status": answer.status,
        "provider_code": vendor_code(answer),
        "provider_message": http.scrubbed(said) if isinstance(said, str) else answer.text,
    }
