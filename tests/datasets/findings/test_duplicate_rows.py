"""``duplicate_rows``: the same thing to learn twice, whatever the other columns; a warning."""

import pytest

from datasets import validation
from tests.builders import chat_rows, json_lines
from tests.datasets.findings.broken import LINE, check, check_rows, told


def test_a_repeated_row_with_another_number() -> None:
    result = check_rows({"id": 7, **chat_rows()[0]})

    finding = told(result, "duplicate_rows", severity="warning")
    assert finding["line"] == LINE
    assert result.outcome.rows == LINE


def test_beyond_a_number_of_rows_only_earlier_ones_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(validation, "DUPLICATES_AMONG_ROWS", 5)
    rows = chat_rows(12)

    result = check(json_lines([*rows, rows[3], rows[8]]))

    assert told(result, "duplicate_rows", severity="warning")["line"] == LINE
