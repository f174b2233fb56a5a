"""``prompt_mismatch``: two answers to two questions are no preference."""

import pytest

from tests.builders import json_lines
from tests.datasets.findings.broken import BAD, GOOD, LINE, USER, check, check_preference, told

OTHER = {"role": "user", "content": "3+3?"}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"chosen": "2+2? 4", "rejected": "3+3? 5"}, "rejected"),
        ({"chosen": [USER, GOOD], "rejected": [OTHER, BAD]}, "rejected"),
        ({"chosen": [USER, GOOD, USER, GOOD], "rejected": [USER, GOOD, OTHER, BAD]}, "rejected"),
        ({"prompt": "3+3?", "chosen": [USER, GOOD], "rejected": [USER, BAD]}, "chosen"),
        ({"prompt": [USER], "chosen": [GOOD], "rejected": [OTHER, BAD]}, "rejected"),
    ],
)
def test_the_answers_belong_to_different_prompts(row: dict[str, object], field: str) -> None:
    result = check_preference(row)

    assert set(result.codes) == {"prompt_mismatch"}
    assert (result.findings[0]["line"], result.findings[0]["field"]) == (LINE, field)
    assert not result.outcome.is_ready


def test_openais_form() -> None:
    row = {
        "input": {"messages": [USER]},
        "preferred_output": [GOOD],
        "non_preferred_output": [OTHER, BAD],
    }
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"{n}?"}]},
            "preferred_output": [GOOD],
            "non_preferred_output": [BAD],
        }
        for n in range(12)
    ]

    assert told(check(json_lines([*rows, row])), "prompt_mismatch")["line"] == LINE
