"""Every form in which people have data is recognised, or mapped, and becomes what is trained on."""

import json
from typing import Any

import pytest

from datasets import forms
from tests.builders import json_lines
from tests.datasets.checking import check

USER = {"role": "user", "content": "2+2?"}
GOOD = {"role": "assistant", "content": "4"}
BAD = {"role": "assistant", "content": "5"}
SYSTEM = {"role": "system", "content": "Be brief."}
FOUR_OR_FIVE = {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}


def numbered(value: Any, number: int) -> Any:
    """Return the row with a number in its texts, so that no two rows are alike."""
    return json.loads(json.dumps(value).replace("2+2?", f"2+2? ({number})"))


CASES = [
    pytest.param({"messages": [USER, GOOD]}, "chat", {"messages": [USER, GOOD]}, id="chat"),
    pytest.param(
        {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]},
        "chat",
        {"messages": [USER, GOOD]},
        id="sharegpt",
    ),
    pytest.param(
        {"conversations": [{"from": "system", "value": "Be brief."}, USER, GOOD]},
        "chat",
        {"messages": [SYSTEM, USER, GOOD]},
        id="sharegpt with roles",
    ),
    pytest.param(
        {"instruction": "2+2?", "input": "", "output": "4"},
        "chat",
        {"messages": [USER, GOOD]},
        id="alpaca without input",
    ),
    pytest.param(
        {"instruction": "Add.", "input": "2+2?", "output": "4"},
        "chat",
        {"messages": [{"role": "user", "content": "Add.\n\n2+2?"}, GOOD]},
        id="alpaca",
    ),
    pytest.param(
        {"prompt": "2+2?", "completion": "4"},
        "prompt_completion",
        {"prompt": "2+2?", "completion": "4"},
        id="prompt and completion",
    ),
    pytest.param({"text": "2+2? 4"}, "text", {"text": "2+2? 4"}, id="text"),
    pytest.param(
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        "preference",
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        id="preference",
    ),
    pytest.param(
        {"chosen": "Human: 2+2?\n\nAssistant: I say 4", "rejected": "Human: 2+2?\n\nAssistant: I"},
        "preference",
        {"prompt": "Human: 2+2?\n\nAssistant:", "chosen": " I say 4", "rejected": " I"},
        id="preference with the prompt in both transcripts",
    ),
    pytest.param(
        {"chosen": "2+2? It is four", "rejected": "2+2? It is five"},
        "preference",
        {"prompt": "2+2? It is", "chosen": " four", "rejected": " five"},
        id="preference with a shared beginning",
    ),
    pytest.param(
        {"chosen": [SYSTEM, USER, GOOD], "rejected": [SYSTEM, USER, BAD]},
        "preference",
        {**FOUR_OR_FIVE, "prompt": [SYSTEM, USER]},
        id="preference with the prompt in both lists",
    ),
    pytest.param(
        {"prompt": "2+2?", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        "preference",
        FOUR_OR_FIVE,
        id="preference with the prompt told twice",
    ),
    pytest.param(
        {"prompt": "2+2?", "chosen": [SYSTEM, USER, GOOD], "rejected": [SYSTEM, USER, BAD]},
        "preference",
        {**FOUR_OR_FIVE, "prompt": [SYSTEM, USER]},
        id="preference with a system message in the answers",
    ),
    pytest.param(
        {"prompt": [USER], "chosen": "4", "rejected": "5"},
        "preference",
        FOUR_OR_FIVE,
        id="preference with answers as texts",
    ),
    pytest.param(FOUR_OR_FIVE, "preference", FOUR_OR_FIVE, id="preference in lists"),
    pytest.param(
        {
            "input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [GOOD],
            "non_preferred_output": [BAD],
        },
        "preference",
        FOUR_OR_FIVE,
        id="preference as OpenAI has it",
    ),
]


@pytest.mark.parametrize(("row", "form", "normalised"), CASES)
def test_each_form_becomes_what_is_trained_on(row: Any, form: str, normalised: Any) -> None:
    result = check(json_lines(numbered({**row, "id": 7}, number) for number in range(12)))

    assert result.findings == []
    assert result.outcome.format == form
    assert result.rows == [numbered(normalised, number) for number in range(12)]


@pytest.mark.parametrize("form", forms.FORMS, ids=lambda form: form.name)
def test_every_form_can_be_mapped_from_other_columns(form: forms.Form) -> None:
    row = next(case.values[0] for case in CASES if form.has(case.values[0]))  # type: ignore[arg-type]
    mapping = {part: f"my {part}" for part in form.parts if part in row}  # type: ignore[operator]
    rows = [numbered(row, number) for number in range(12)]

    plain = check(json_lines(rows))
    mapped = check(
        json_lines({f"my {part}": value for part, value in row.items()} for row in rows), mapping
    )

    assert (mapped.findings, mapped.rows) == ([], plain.rows)


@pytest.mark.parametrize(
    ("row", "mapping"),
    [
        ({"id": 1, "Question": "a", "ANSWER": "b"}, {"prompt": "Question", "completion": "ANSWER"}),
        (
            {"instruction": "a", "context": "c", "response": "b"},
            {"instruction": "instruction", "output": "response", "input": "context"},
        ),
        (
            {"query": "a", "better": "b", "worse": "c"},
            {"chosen": "better", "rejected": "worse", "prompt": "query"},
        ),
        ({"dialog": [USER, GOOD]}, {"messages": "dialog"}),
        ({"turns": [{"from": "human", "value": "a"}]}, {"conversations": "turns"}),
        ({"document": "a"}, {"text": "document"}),
    ],
)
def test_unknown_columns_are_offered_the_mapping_that_looks_right(
    row: dict[str, Any], mapping: dict[str, str]
) -> None:
    fix = check(json_lines([row] * 20)).only["fix"]

    assert json.dumps(mapping) in fix
    assert forms.form_of_mapping(mapping).parts == mapping


def test_of_preference_rows_the_prompt_and_the_longer_answer_count() -> None:
    rows = [
        {"prompt": "p" * 40, "chosen": "c" * 80, "rejected": "r" * (400 + n)} for n in range(10)
    ]

    lengths = check(json_lines(rows)).outcome.lengths

    assert lengths.tokens == sum(14 + (400 + n) // 4 + 4 for n in range(10))
    assert lengths.answer_tokens == lengths.tokens - 10 * 14
