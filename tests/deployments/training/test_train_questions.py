"""What a held-out row asks, in each form that data has once it is normalised."""

from typing import Any

import pytest

from train_questions import question_of, shown

USER = {"role": "user", "content": "2 + 2?"}
ASSISTANT = {"role": "assistant", "content": "4"}
AGAIN = {"role": "user", "content": "And 3 + 3?"}


@pytest.mark.parametrize(
    ("row", "asked", "answer"),
    [
        ({"messages": [USER, ASSISTANT]}, "2 + 2?", "4"),
        (
            {"messages": [USER, ASSISTANT, AGAIN, {"role": "assistant", "content": "6"}]},
            "user: 2 + 2?\n\nassistant: 4\n\nuser: And 3 + 3?",
            "6",
        ),
        ({"messages": [USER, ASSISTANT, AGAIN]}, "2 + 2?", "4"),
        ({"prompt": "2 + 2 =", "completion": " 4"}, "2 + 2 =", " 4"),
        ({"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}, "2 + 2 =", " 4"),
        ({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [USER]}, "2 + 2?", "4"),
        ({"text": "one two three four"}, "one two", "three four"),
        ({"text": "alone"}, "alone", ""),
    ],
)
def test_a_row_asks_all_before_its_last_answer(
    row: dict[str, Any], asked: str, answer: str
) -> None:
    question, reference = question_of(row)

    assert (shown(question), reference) == (asked, answer)
