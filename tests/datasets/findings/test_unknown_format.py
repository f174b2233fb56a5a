"""``unknown_format``: the columns that were seen, and the mapping that looks right."""

from tests.builders import json_lines
from tests.datasets.findings.broken import check, told


def test_columns_are_listed_and_a_mapping_is_offered() -> None:
    finding = told(
        check(json_lines([{"id": 1, "question": "2+2?", "answer": "4"}] * 20)), "unknown_format"
    )

    assert finding["line"] == 1
    assert "id, question, answer" in finding["message"]
    assert '{"prompt": "question", "completion": "answer"}' in finding["fix"]


def test_a_table_of_other_columns() -> None:
    content = b"id,question,answer\n" + b"1,2+2?,4\n" * 20

    assert "question" in told(check(content), "unknown_format")["message"]


def test_columns_that_say_nothing_are_told_what_to_be_called() -> None:
    finding = told(check(json_lines([{"a": 1}] * 20)), "unknown_format")

    assert "prompt and completion" in finding["fix"]
