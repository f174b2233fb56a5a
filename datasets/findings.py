"""What is wrong with uploaded data, said so that its owner can mend it."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MAX_LISTED = 100
MAX_EXCERPT_CHARACTERS = 120
# A cell that begins like this is a formula to a spreadsheet (T4).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Severity(StrEnum):
    """Errors keep data from being trained on; warnings and information do not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One thing found. ``line`` counts from 1 and is None for the file; ``fix`` says what to do."""

    code: str
    severity: Severity
    message: str
    fix: str
    line: int | None = None
    field: str | None = None
    excerpt: str = ""


class Findings:
    """Collects findings in bounded memory: all are counted, the first of each severity are kept."""

    def __init__(self) -> None:
        self._kept: dict[Severity, list[Finding]] = {severity: [] for severity in Severity}
        self._totals: Counter[str] = Counter()
        self._errors = 0

    def add(self, finding: Finding, *, rows: int = 1) -> None:
        """Count it, for so many rows where one finding tells of many; keep it if there is room."""
        self._totals[finding.code] += rows
        self._errors += finding.severity is Severity.ERROR
        kept = self._kept[finding.severity]
        if len(kept) < MAX_LISTED:
            kept.append(finding)

    @property
    def has_errors(self) -> bool:
        """Whether the data cannot be trained on."""
        return self._errors > 0

    @property
    def totals(self) -> dict[str, int]:
        """How often each code was found, the unlisted ones included."""
        return dict(self._totals)

    def listed(self) -> list[dict[str, Any]]:
        """Return at most 100 as JSON: errors first, then by line."""
        ordered = [finding for severity in Severity for finding in self._kept[severity]]
        return [asdict(finding) for finding in ordered[:MAX_LISTED]]


def excerpt_of(text: str, *, limit: int = MAX_EXCERPT_CHARACTERS) -> str:
    """Return the beginning of a text, fit to be stored and shown: printable characters only."""
    cut = text[: limit + 1]
    shown = "".join(character if character.isprintable() else " " for character in cut)
    if len(shown) > limit:
        shown = shown[: limit - 3] + "..."
    return shown.rstrip()


def as_csv(findings: Iterable[Mapping[str, Any]]) -> str:
    """Return listed findings as CSV that a spreadsheet takes as text, never as formulas (T4)."""
    columns = ("line", "severity", "code", "field", "message", "fix", "excerpt")
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(columns)
    for finding in findings:
        rows.writerow([_cell(finding.get(column)) for column in columns])
    return text.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
