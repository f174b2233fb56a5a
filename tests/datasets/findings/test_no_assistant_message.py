"""``no_assistant_message``: a conversation that has nothing to learn."""

from tests.datasets.findings.broken import LINE, USER, check_rows, told


def test_only_questions() -> None:
    finding = told(check_rows({"messages": [USER]}), "no_assistant_message")

    assert (finding["line"], finding["field"]) == (LINE, "messages")
