"""``utf16``: what some editors and spreadsheets call Unicode, told once for the file."""

import pytest

from tests.builders import chat_rows, json_lines
from tests.datasets.findings.broken import check, told


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["\ufeff", ""], ids=["with a mark", "without a mark"])
def test_either_order_of_bytes(encoding: str, mark: str) -> None:
    content = (mark + json_lines(chat_rows()).decode()).encode(encoding)

    finding = told(check(content), "utf16")

    assert "UTF-8" in finding["fix"]
