"""Taking secrets out of text before it reaches a log, a page or the database (I17, T9).

No Django here: the logging settings name the filter before any app is loaded.
"""

import base64
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
# Shorter ones would mask ordinary words.
_SHORTEST = 4

_PATTERNS = [
    # PEM and OpenSSH private keys, also with \n spelled out, also cut off before their end.
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)", re.S
        ),
        MASK,
    ),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9+/=._~-]{6,}"), rf"\1\2{MASK}"),
    # Query values and assignments: ?token=..., api_key='...'.
    (
        re.compile(
            r"(?i)\b((?:[a-z]+_)?(?:token|api_?key|password|secret))=(['\"]?)[^\s&'\"<>,;)]+"
        ),
        rf"\1=\2{MASK}",
    ),
    # Ours, Lambda's (secret_<name>_<hex>.<secret>), Hugging Face's and RunPod's.
    (re.compile(r"\b(slw|ftj)_[A-Za-z0-9_-]{8,}"), rf"\1_{MASK}"),
    (re.compile(r"\bsecret_(?=[\w.-]*\d)[\w.-]{12,}"), f"secret_{MASK}"),
    (re.compile(r"\bhf_[A-Za-z0-9]{16,}"), f"hf_{MASK}"),
    (re.compile(r"\brpa_[A-Za-z0-9]{16,}"), f"rpa_{MASK}"),
]


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without these secrets and without anything that looks like one.

    Each secret is found plain, URL-quoted and in base64.
    """
    forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
    # The longest first: a secret may contain another.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _forms(secret: str) -> Iterable[str]:
    raw = secret.encode("utf-8", "replace")
    yield secret
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")


class RedactingFilter(logging.Filter):
    """Scrubs a record's message, traceback and stack; put it on every handler."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # Wrong arguments: the handler reports those itself, and they must not slip past us.
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = scrub(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        return True
