"""Looking at many rows at once finds what looking at each finds, whatever the rows hold."""

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets import plain_blocks, validation
from tests.builders import chat_rows, json_lines
from tests.datasets.findings.broken import GOOD, USER, preference_rows

NEVER = 10**12
PAIRS = [{"prompt": f"{n}?", "completion": f"naïve {n} \U0001f680"} for n in range(12)]
TEXTS = [{"text": f"Text {n}"} for n in range(12)]


def answered(answer: bytes) -> bytes:
    """Return a line whose answer is this JSON."""
    return (
        b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": '
        + answer
        + b"}]}"
    )


ODD_LINES = [
    b"",
    b"   ",
    b"{",
    b"7",
    b'{"messages": []}',
    b'{"messages": null}',
    b'{"messages": [null]}',
    b'{"messages": [{"role": "user", "content": "Hi"}]}',
    answered(b'""'),
    answered(b'" \\n"'),
    answered(b'"\\u0000"'),
    answered(b'"\\ud800"'),
    answered(b'"\\ud83d\\ude00"'),
    answered(b'"\xff"'),
    answered(b"7"),
    answered(b'"Ho", "name": "Ada"'),
    answered(b'"hf_' + b"aB1" * 10 + b'"'),
    answered(b'"Ho"') + b"\r",
    answered(b'"Ho"') + b" " + answered(b'"Ho"'),
    answered(b'"Ho"').replace(b'"user"', b'"gpt"'),
    answered(b'"Ho"').replace(b'"user"', b'"assistant"'),
    answered(b'"Ho"').replace(b', "content": "Hi"', b""),
    b'{"messages": [], "messages": []}',
    json.dumps(chat_rows()[3]).encode(),
    json.dumps(PAIRS[3]).encode(),
    b"[" * 2000,
    b'{"a": NaN}',
    b"x" * 3000,
]


def outcome(content: bytes, *, many_at_once_from: int) -> tuple[Any, ...]:
    written: list[bytes] = []
    found = validation.check(
        io.BytesIO(content),
        mapping=None,
        write=written.append,
        many_at_once_from=many_at_once_from,
    )
    assert not (found.is_as_uploaded and written)
    kept = content if found.is_as_uploaded else b"".join(written)
    rows = [json.loads(line) for line in kept.splitlines()]
    return found.findings.listed(), found.findings.totals, found.format, found.lengths, rows


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_blocks, "BLOCK_BYTES", 300)


@pytest.mark.parametrize("rows", [chat_rows(), PAIRS, TEXTS, preference_rows()])
def test_plain_rows_are_taken_as_they_are(rows: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    content = json_lines(rows)
    carefully = outcome(content, many_at_once_from=NEVER)
    # Nobody may look at a row of its own.
    monkeypatch.setattr(validation, "normalised", None)

    assert outcome(content, many_at_once_from=0) == carefully
    assert carefully[-1] == rows


@pytest.mark.parametrize("odd", ODD_LINES, ids=range(len(ODD_LINES)))
def test_an_odd_line_is_found_as_if_it_were_looked_at_alone(odd: bytes) -> None:
    rows = json_lines(chat_rows(20)).splitlines(keepends=True)
    content = b"".join([*rows[:11], odd + b"\n", *rows[11:]])

    assert outcome(content, many_at_once_from=0) == outcome(content, many_at_once_from=NEVER)


@pytest.mark.parametrize("odd", ["chosen", "rejected", "prompt"])
@pytest.mark.parametrize("value", [None, "", " ", 7, "2.", [USER, GOOD]])
def test_an_odd_part_of_a_preference_row(odd: str, value: Any) -> None:
    row = {"prompt": "2?", "chosen": "2.", "rejected": "3.", odd: value}
    content = json_lines([*preference_rows(), row, *preference_rows(3)])

    assert outcome(content, many_at_once_from=0) == outcome(content, many_at_once_from=NEVER)


def test_repeats_are_found_within_a_block_between_blocks_and_without_a_last_line_end() -> None:
    rows = chat_rows(20)
    content = json_lines([*rows, rows[19], rows[0]]).rstrip(b"\n")

    found, totals, *_ = outcome(content, many_at_once_from=0)

    assert totals == {"duplicate_rows": 2}
    assert [one["line"] for one in found] == [21, 22]


@given(lines=st.lists(st.sampled_from(range(len(ODD_LINES))) | st.none(), max_size=12))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_mixture_comes_to_the_same(lines: list[int | None]) -> None:
    good = iter(json_lines(chat_rows(12)).splitlines())
    content = b"\n".join(next(good) if number is None else ODD_LINES[number] for number in lines)

    quickly = outcome(content, many_at_once_from=0)
    carefully = outcome(content, many_at_once_from=NEVER)

    assert quickly[1:] == carefully[1:]
