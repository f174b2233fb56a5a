"""Keys and passwords that slipped into data: a model may learn to say them."""

import re

from datasets.findings import Finding, Severity
from datasets.reading import Row

# Prefixes that issuers give their keys, so that they can be found; then enough of what follows.
_KEYS = re.compile(
    rb"(?<![A-Za-z0-9])(?:"
    rb"sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{30,}"
    rb"|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{20,}"
    rb"|AKIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|secret_[A-Za-z0-9-]+_[A-Za-z0-9]{20,}"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)
# Each begins with one byte that most text has little of: searching for those costs almost nothing.
_HINTS = (
    re.compile(rb"_[A-Za-z0-9]{20}"),
    re.compile(
        rb"-(?:(?<=sk-)[A-Za-z0-9_-]{20}|(?<=pat-)[A-Za-z0-9_-]{20}"
        rb"|(?<=xox[abprs]-)[A-Za-z0-9-]{20}|----BEGIN)"
    ),
    re.compile(rb"A(?:KIA[A-Z0-9]{16}|Iza[A-Za-z0-9_-]{35})"),
)
_SHOWN_BYTES = 8


def may_hold_secrets(content: bytes) -> bool:
    """Say whether a closer look is needed; most text needs none."""
    return any(hint.search(content) for hint in _HINTS)


def suspected(encoded: bytes) -> bytes | None:
    """Return what looks like a key in a row, None when nothing does."""
    if not may_hold_secrets(encoded):
        return None
    found = _KEYS.search(encoded)
    return found.group() if found else None


def secrets_suspected(row: Row, key: bytes) -> Finding:
    """Say that a row seems to hold a key; the key itself is not repeated."""
    shown = key[:_SHOWN_BYTES].decode("ascii", "replace")
    return Finding(
        code="secrets_suspected",
        severity=Severity.WARNING,
        line=row.line,
        message="The row seems to hold a key or password.",
        fix="Remove it from the data and have it replaced where it is used: models repeat what "
        "they read.",
        excerpt=f"{shown}...",
    )
