"""Small broken files, each made on the spot, and what a check finds in them."""

from typing import Any

from tests.builders import chat_rows, json_lines
from tests.datasets.checking import Result, check, check_rows

USER = {"role": "user", "content": "2+2?"}
GOOD = {"role": "assistant", "content": "4"}
BAD = {"role": "assistant", "content": "5"}
# Behind twelve good rows.
LINE = 13


def good_and(line: bytes) -> bytes:
    """Return twelve good rows and then this line."""
    return json_lines(chat_rows()) + line + b"\n"


def preference_rows(count: int = 12) -> list[dict[str, Any]]:
    """Return good preference rows, no two alike."""
    return [
        {"prompt": f"{number}?", "chosen": f"{number}.", "rejected": "Who knows."}
        for number in range(count)
    ]


def check_preference(row: dict[str, Any]) -> Result:
    """Check one preference row behind good ones."""
    return check(json_lines([*preference_rows(), row]))


def told(result: Result, code: str, *, severity: str = "error") -> dict[str, Any]:
    """Return the one finding there is, and see that it has all its parts."""
    finding = result.only
    assert (finding["code"], finding["severity"]) == (code, severity)
    assert result.outcome.findings.totals == {code: 1}
    assert result.outcome.is_ready == (severity != "error")
    assert finding["message"]
    assert finding["fix"]
    assert len(finding["excerpt"]) <= 120
    return finding


__all__ = ["check", "check_rows"]
