"""``roles_do_not_alternate``: some chat templates refuse such conversations; a warning."""

import pytest

from tests.datasets.findings.broken import GOOD, LINE, USER, check_rows, told

SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "messages",
    [
        [USER, USER, GOOD],
        [USER, GOOD, GOOD],
        [GOOD, USER, GOOD],
        [SYSTEM, GOOD],
        [USER, SYSTEM, GOOD],
        [SYSTEM, SYSTEM, USER, GOOD],
    ],
)
def test_two_in_a_row_or_the_wrong_one_first(messages: object) -> None:
    finding = told(check_rows({"messages": messages}), "roles_do_not_alternate", severity="warning")

    assert (finding["line"], finding["field"]) == (LINE, "messages")


@pytest.mark.parametrize("messages", [[USER, GOOD, USER, GOOD], [SYSTEM, USER, GOOD]])
def test_those_who_take_turns_are_fine(messages: object) -> None:
    assert check_rows({"messages": messages}).findings == []
