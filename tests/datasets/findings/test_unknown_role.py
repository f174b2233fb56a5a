"""``unknown_role``: a speaker whom no chat template knows; the usual name is offered."""

import pytest

from tests.builders import json_lines
from tests.datasets.findings.broken import GOOD, LINE, check, check_rows, told


@pytest.mark.parametrize(("role", "fix"), [("gpt", "assistant"), ("Human", "user")])
def test_the_role_of_another_tool(role: str, fix: str) -> None:
    finding = told(
        check_rows({"messages": [{"role": role, "content": "Hi"}, GOOD]}), "unknown_role"
    )

    assert (finding["line"], finding["field"]) == (LINE, "messages[0].role")
    assert finding["fix"] == f"Write {fix} instead."


def test_a_role_that_nobody_has() -> None:
    finding = told(
        check_rows({"messages": [{"role": "narrator", "content": "Hi"}, GOOD]}), "unknown_role"
    )

    assert finding["fix"] == "Use one of: system, user, assistant."


def test_a_role_that_is_no_text() -> None:
    told(check_rows({"messages": [{"role": ["user"], "content": "Hi"}, GOOD]}), "unknown_role")


def test_a_sharegpt_speaker() -> None:
    rows = [
        {"conversations": [{"from": "human", "value": f"{n}?"}, {"from": "gpt", "value": "."}]}
        for n in range(12)
    ]
    odd = {"conversations": [{"from": "human", "value": "?"}, {"from": "tool", "value": "."}]}

    finding = told(check(json_lines([*rows, odd])), "unknown_role")

    assert finding["field"] == "conversations[1].from"
