"""``empty_messages``: a conversation in which nobody says anything."""

import pytest

from tests.datasets.findings.broken import LINE, check_preference, check_rows, told


def test_a_conversation() -> None:
    finding = told(check_rows({"messages": []}), "empty_messages")

    assert (finding["line"], finding["field"]) == (LINE, "messages")
    assert finding["excerpt"] == '{"messages": []}'


@pytest.mark.parametrize("part", ["prompt", "chosen", "rejected"])
def test_a_part_of_a_preference_row(part: str) -> None:
    row = {"prompt": "2+2?", "chosen": "4", "rejected": "5", part: []}

    assert told(check_preference(row), "empty_messages")["field"] == part
