"""``mixed_formats``: the first line that is of another form than those before it."""

from tests.builders import chat_rows, json_lines
from tests.datasets.findings.broken import LINE, check, check_rows, preference_rows, told


def test_a_prompt_among_conversations() -> None:
    finding = told(check_rows({"prompt": "2+2?", "completion": "4"}), "mixed_formats")

    assert finding["line"] == LINE
    assert "prompt_completion" in finding["message"]


def test_the_first_differing_line_is_listed_first_and_all_are_counted() -> None:
    result = check(json_lines([*chat_rows(), *preference_rows(5)]))

    assert result.outcome.findings.totals == {"mixed_formats": 5}
    assert result.findings[0]["line"] == LINE
