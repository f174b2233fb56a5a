"""``chosen_equals_rejected``: a row without a preference (trap 7.5)."""

import pytest

from tests.datasets.findings.broken import GOOD, LINE, USER, check_preference, told


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2+2?", "chosen": "4", "rejected": "4"},
        {"chosen": "2+2? 4", "rejected": "2+2? 4"},
        {"chosen": [USER, GOOD], "rejected": [USER, GOOD]},
        {"prompt": "2+2?", "chosen": [USER, GOOD], "rejected": [GOOD]},
    ],
)
def test_twice_the_same_answer(row: dict[str, object]) -> None:
    finding = told(check_preference(row), "chosen_equals_rejected")

    assert (finding["line"], finding["field"]) == (LINE, "chosen")
