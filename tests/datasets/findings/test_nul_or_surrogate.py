"""``nul_or_surrogate``: characters that neither UTF-8 nor the database can hold."""

import pytest

from tests.builders import json_lines
from tests.datasets.checking import QUESTION_ANSWER
from tests.datasets.findings.broken import LINE, USER, check, check_rows, told


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "ok \udfff ok"])
def test_a_message(text: str) -> None:
    finding = told(
        check_rows({"messages": [USER, {"role": "assistant", "content": text}]}), "nul_or_surrogate"
    )

    assert (finding["line"], finding["field"]) == (LINE, "messages[1].content")


def test_a_mapped_column() -> None:
    finding = told(
        check_rows({"question": "2\0?", "answer": "4"}, mapping=QUESTION_ANSWER), "nul_or_surrogate"
    )

    assert finding["field"] == "question"


def test_a_text() -> None:
    result = check(json_lines([*({"text": f"{n}"} for n in range(12)), {"text": "\udc00"}]))

    assert told(result, "nul_or_surrogate")["field"] == "text"
