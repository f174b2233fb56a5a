"""``too_few_rows``: one cannot be split; a handful is a warning."""

from tests.builders import chat_rows, json_lines
from tests.datasets.findings.broken import check, told


def test_one_row_is_too_few_to_train_and_to_measure() -> None:
    assert told(check(json_lines(chat_rows(1))), "too_few_rows")["line"] is None


def test_a_handful_is_a_warning() -> None:
    told(check(json_lines(chat_rows(9))), "too_few_rows", severity="warning")


def test_ten_are_enough() -> None:
    assert check(json_lines(chat_rows(10))).findings == []
