"""What is wrong with one row, told with its place."""

import re

from datasets.findings import Finding, Severity, excerpt_of
from datasets.reading import Report, Row

# JSON can spell both; neither UTF-8 nor PostgreSQL can hold them.
NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


class Problems:
    """Reports what is wrong with one row and remembers whether anything was."""

    __slots__ = ("_report", "_row", "found")

    def __init__(self, row: Row, report: Report) -> None:
        self._row = row
        self._report = report
        self.found = False

    def add(self, code: str, field: str, message: str, fix: str) -> None:
        """Report an error: the row cannot be trained on."""
        self.found = True
        self._finding(code, Severity.ERROR, field, message, fix)

    def warn(self, code: str, field: str, message: str, fix: str) -> None:
        """Report what is odd about a row that can be trained on."""
        self._finding(code, Severity.WARNING, field, message, fix)

    def _finding(self, code: str, severity: Severity, field: str, message: str, fix: str) -> None:
        self._report(
            Finding(
                code=code,
                severity=severity,
                line=self._row.line,
                field=excerpt_of(field),
                message=excerpt_of(message),
                fix=fix,
                excerpt=excerpt_of(self._row.text),
            )
        )


def text_in(value: object, field: str, problems: Problems) -> str:
    """Return a part that must be a text with something in it; "" after reporting that it is not."""
    if type(value) is str and value and not value.isspace() and "\0" not in value:
        return value
    _explain(value, field, problems)
    return ""


def _explain(value: object, field: str, problems: Problems) -> None:
    if not isinstance(value, str):
        problems.add("wrong_type", field, f"{field} is not a text.", "Give a text in quotes.")
        return
    if not value.strip():
        problems.add("empty_content", field, f"{field} is empty.", "Fill it in, or remove the row.")
    if NOT_TEXT.search(value):
        not_text(field, problems)


def not_text(field: str, problems: Problems) -> None:
    """Report characters that no file of text can hold."""
    problems.add(
        "nul_or_surrogate",
        field,
        f"{field} holds a NUL character or half of a surrogate pair.",
        "Remove it: it is no text, and often the trace of a wrong conversion.",
    )
