"""``missing_key``: a column that the other rows have, or a key that every message needs."""

from tests.builders import json_lines
from tests.datasets.checking import QUESTION_ANSWER
from tests.datasets.findings.broken import (
    GOOD,
    LINE,
    USER,
    check,
    check_preference,
    check_rows,
    told,
)


def test_a_row_without_a_mapped_column() -> None:
    finding = told(check_rows({"question": "2+2?"}, mapping=QUESTION_ANSWER), "missing_key")

    assert (finding["line"], finding["field"]) == (LINE, "answer")


def test_a_row_without_the_column_of_its_form() -> None:
    finding = told(check_preference({"prompt": "2+2?", "chosen": "4"}), "missing_key")

    assert finding["field"] == "rejected"


def test_a_message_without_role() -> None:
    finding = told(check_rows({"messages": [{"content": "Hi"}, GOOD]}), "missing_key")

    assert finding["field"] == "messages[0].role"


def test_a_message_without_content() -> None:
    finding = told(check_rows({"messages": [USER, {"role": "assistant"}]}), "missing_key")

    assert finding["field"] == "messages[1].content"


def test_a_sharegpt_message_without_value() -> None:
    rows = [
        {"conversations": [{"from": "human", "value": f"{n}?"}, {"from": "gpt", "value": "."}]}
        for n in range(12)
    ]

    finding = told(
        check(json_lines([*rows, {"conversations": [{"from": "human"}]}])), "missing_key"
    )

    assert finding["field"] == "conversations[0].value"
