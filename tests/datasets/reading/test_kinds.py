"""The same rows read the same from every kind of file, told by what it holds (T4)."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from datasets.reading import array
from tests.builders import chat_rows, json_lines
from tests.datasets.checking import QUESTION_ANSWER, check

PAIRS = [{"prompt": f'{n}, "or" {n + 1}?\nSay.', "completion": f"naïve {n}."} for n in range(12)]


def as_csv(rows: list[dict[str, Any]], *, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]], **options: Any) -> bytes:
    target = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), target, **options)
    return target.getvalue()


def as_array(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows).encode()


KINDS: list[Callable[[list[dict[str, Any]]], bytes]] = [json_lines, as_array, as_csv, as_parquet]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_prompts_and_completions(
    kind: Callable[[list[dict[str, Any]]], bytes], *, packed: bool
) -> None:
    content = kind(PAIRS)

    result = check(gzip.compress(content) if packed else content)

    assert (result.findings, result.rows) == ([], PAIRS)


@pytest.mark.parametrize("kind", [json_lines, as_array, as_parquet])
def test_conversations(kind: Callable[[list[dict[str, Any]]], bytes]) -> None:
    result = check(kind(chat_rows()))

    assert (result.findings, result.rows) == ([], chat_rows())


def test_a_table_may_hold_conversations_as_json() -> None:
    rows = [{"messages": json.dumps(row["messages"])} for row in chat_rows()]

    assert check(as_csv(rows)).rows == chat_rows()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_other_columns_needs_a_mapping(delimiter: str) -> None:
    rows = [{"id": n, "question": f"{n}?", "answer": f"{n}."} for n in range(12)]

    content = as_csv(rows, delimiter=delimiter)

    assert check(content, QUESTION_ANSWER).rows == [
        {"prompt": f"{n}?", "completion": f"{n}."} for n in range(12)
    ]


def test_a_byte_order_mark_before_a_table_is_removed() -> None:
    result = check(b"\xef\xbb\xbf" + as_csv(PAIRS))

    assert (result.codes, result.rows) == (["bom"], PAIRS)


def test_a_row_of_a_table_is_found_at_the_line_where_it_begins() -> None:
    rows = [*PAIRS, {"prompt": "2+2?", "completion": ""}]

    result = check(as_csv(rows))

    # Each of the twelve takes two lines, after the header.
    assert (result.only["code"], result.only["line"]) == ("empty_content", 26)


def test_a_row_of_an_array_is_found_at_the_line_where_it_begins() -> None:
    content = "[\n" + ",\n".join(json.dumps(row) for row in [*chat_rows(), {"messages": []}]) + "]"

    result = check(content.encode())

    assert (result.only["code"], result.only["line"]) == ("empty_messages", 14)


def test_an_array_is_read_in_pieces_however_they_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 7, 64):
        monkeypatch.setattr(array, "_CHUNK_BYTES", size)

        result = check(json.dumps(PAIRS, indent=1, ensure_ascii=False).encode())

        assert (result.findings, result.rows) == ([], PAIRS)


def test_rows_of_parquet_are_counted_from_one() -> None:
    result = check(as_parquet([*PAIRS, {"prompt": "2+2?", "completion": ""}], row_group_size=5))

    assert (result.only["code"], result.only["line"]) == ("empty_content", 13)


@pytest.mark.parametrize("cut", [5, 200, -9])
def test_parquet_that_ends_too_early_is_told(cut: int) -> None:
    assert "invalid_parquet" in check(as_parquet(PAIRS)[:cut]).codes


@pytest.mark.parametrize(
    ("more", "line"), [(b"a,b,c\r\n", 26), (b'"a,b\r\n', 26), (b'"a" x,b\r\n', 26)]
)
def test_a_broken_table_is_told_with_its_line(more: bytes, line: int) -> None:
    result = check(as_csv(PAIRS) + more)

    assert (result.only["code"], result.only["line"]) == ("invalid_csv", line)


def test_a_table_that_names_a_column_twice_is_refused() -> None:
    assert "invalid_csv" in check(b"prompt,completion,prompt\na,b,c\n").codes
