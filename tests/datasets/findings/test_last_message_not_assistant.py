"""``last_message_not_assistant``: the last words are nobody's to learn; a warning."""

from tests.datasets.findings.broken import GOOD, LINE, USER, check_rows, told


def test_a_conversation_that_ends_with_a_question() -> None:
    finding = told(
        check_rows({"messages": [USER, GOOD, USER]}),
        "last_message_not_assistant",
        severity="warning",
    )

    assert finding["line"] == LINE
    assert "user's" in finding["message"]
