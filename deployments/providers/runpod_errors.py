"""RunPod's answers that are not what was asked for, as our errors.

Decided by the status and, where one status means several things, by the known words of
``detail``. Source: RunPod REST v2, schema ErrorResponse (application/problem+json, read 2026-11),
and recorded texts: 400 is both "no capacity" and "bad request" (runpod-api.md section 3.4).
"""

import re

from deployments.providers import verdicts
from deployments.providers.base import (
    ProviderAuthError,
    ProviderError,
    ProviderRefusedError,
)
from deployments.providers.http import Answer, HttpClient
from deployments.providers.verdicts import RATE_LIMITED, Verdict

LABEL = "RunPod"
CONSOLE_URL = "https://console.runpod.io/pods"
NOT_FOUND = 404

_NO_CAPACITY = re.compile(
    r"no longer any instances available|does not have the resources to deploy"
    r"|not enough free GPUs",
    re.IGNORECASE,
)
_NO_FUNDS = re.compile(r"balance is too low|add funds", re.IGNORECASE)


KEY_REFUSED = Verdict(
    ProviderAuthError,
    "RunPod refused the key.",
    "Make a new key at RunPod and store it in the vault.",
    reason="auth",
)
NOT_ALLOWED = Verdict(
    ProviderAuthError,
    "RunPod does not allow this with the key.",
    "Use a key with the permission to read and write pods, and store it in the vault.",
    reason="auth",
)
CAPACITY = Verdict(
    ProviderRefusedError,
    "RunPod has no free machine of this type in this data centre.",
    "Wait, or allow other GPU types or regions.",
    reason="capacity",
    code="E_CAPACITY",
    retryable=True,
)
FUNDS = Verdict(
    ProviderRefusedError,
    "RunPod says that the account's balance is too low to rent this.",
    "Add funds at https://console.runpod.io/user/billing, then try again.",
    reason="quota",
    code="E_ACCOUNT",
)
NOT_THERE = Verdict(
    ProviderRefusedError,
    "RunPod does not know what was asked for.",
    "Check the name or id, and the address of the API.",
    reason="invalid",
)
INVALID = Verdict(
    ProviderRefusedError,
    "RunPod found the request invalid.",
    "Choose another machine type or region; if that does not help, report this as a bug.",
    reason="invalid",
)
# 408 and 425 speak of the request's way, 409 of something that changes: it may have been obeyed.
UNSURE = Verdict(
    ProviderRefusedError,
    "RunPod is busy with another change to this.",
    "Try again in a minute.",
    retryable=True,
    final=False,
)
_BY_STATUS = {402: FUNDS, 403: NOT_ALLOWED, 404: NOT_THERE, 408: UNSURE, 409: UNSURE, 425: UNSURE}


def problem(answer: Answer) -> dict[str, object] | None:
    """Return RunPod's own account of a failure; None when somebody else speaks."""
    content = answer.content
    if not isinstance(content, dict):
        return None
    return content if content.get("status") == answer.status and "title" in content else None


def verdict_on(answer: Answer) -> Verdict | None:
    """Return what an answer of RunPod's own means; None when it is not RunPod that speaks.

    Success, failures (5xx), pages of proxies and redirects have no verdict; only a refused key
    does in any words, since those of 401 are not documented.
    """
    if answer.status == 401:
        return KEY_REFUSED
    said = problem(answer)
    if said is None or not 400 <= answer.status < 500:
        return None
    detail = str(said.get("detail") or "")
    if answer.status in (400, 402):
        if _NO_CAPACITY.search(detail):
            return CAPACITY
        if _NO_FUNDS.search(detail):
            return FUNDS
    return _BY_STATUS.get(answer.status, INVALID)


def says_not_there(answer: Answer) -> bool:
    """Say whether RunPod itself says that it does not know the pod."""
    return answer.status == NOT_FOUND and problem(answer) is not None


def says_rate_limited(answer: Answer) -> bool:
    """Say whether RunPod itself counts our requests: it turns away what it has not looked at."""
    return answer.status == RATE_LIMITED and problem(answer) is not None


def error_of(answer: Answer, http: HttpClient) -> ProviderError:
    """Return the error an answer stands for."""
    detail = _detail(answer, http)
    return verdicts.error_of(
        answer, verdict_on(answer), label=LABEL, detail=detail, counted_by="account"
    )


def unreadable(what: str) -> ProviderError:
    """Return the error for a success whose content is not what the document promises."""
    return verdicts.unreadable(LABEL, what)


def _detail(answer: Answer, http: HttpClient) -> dict[str, object]:
    """Return RunPod's own words, for people."""
    said = problem(answer) or {}
    errors = said.get("errors")
    words = [said.get("detail"), *(errors if isinstance(errors, list) else ())]
    told = " ".join(word for word in words if isinstance(word, str))
    return {
        "status": answer.status,
        "provider_code": None,
        "provider_message": http.scrubbed(told) if told else answer.text,
    }
