"""``empty_content``: a message, a prompt or an answer with nothing in it."""

import pytest

from tests.builders import json_lines
from tests.datasets.checking import QUESTION_ANSWER
from tests.datasets.findings.broken import LINE, USER, check, check_preference, check_rows, told


def test_a_message() -> None:
    row = {"messages": [USER, {"role": "assistant", "content": " \n"}]}

    finding = told(check_rows(row), "empty_content")

    assert (finding["line"], finding["field"]) == (LINE, "messages[1].content")


def test_a_mapped_column() -> None:
    row = {"question": "2+2?", "answer": ""}

    assert told(check_rows(row, mapping=QUESTION_ANSWER), "empty_content")["field"] == "answer"


@pytest.mark.parametrize("part", ["chosen", "rejected"])
def test_an_answer_of_a_preference_row(part: str) -> None:
    row = {"prompt": "2+2?", "chosen": "4", "rejected": "5", part: " "}

    assert told(check_preference(row), "empty_content")["field"] == part


def test_nothing_after_the_shared_prompt() -> None:
    row = {"chosen": [USER, {"role": "assistant", "content": "4"}], "rejected": [USER]}

    assert told(check_preference(row), "empty_content")["field"] == "rejected"


def test_an_instruction_without_output() -> None:
    rows = [{"instruction": f"{n}?", "output": f"{n}"} for n in range(12)]

    result = check(json_lines([*rows, {"instruction": "2+2?", "output": ""}]))

    assert told(result, "empty_content")["field"] == "output"


def test_an_empty_text() -> None:
    result = check(json_lines([*({"text": f"{n}"} for n in range(12)), {"text": ""}]))

    assert told(result, "empty_content")["line"] == LINE
