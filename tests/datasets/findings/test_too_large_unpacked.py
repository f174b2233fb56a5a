"""``too_large_unpacked``: what packs a thousandfold is stopped at the limit (T4)."""

import gzip
import io

import pyarrow as pa
from pyarrow import parquet

from datasets import validation
from datasets.findings import Severity
from tests.builders import chat_rows, json_lines

LIMIT = 1_000_000


def test_t4_a_bomb_is_not_unpacked_to_its_end() -> None:
    bomb = gzip.compress(json_lines(chat_rows()) + b" " * 50 * LIMIT)
    read: list[bytes] = []

    outcome = validation.check(
        io.BytesIO(bomb), mapping=None, write=read.append, unpacked_limit=LIMIT
    )

    (finding,) = outcome.findings.listed()
    assert (finding["code"], finding["severity"]) == ("too_large_unpacked", Severity.ERROR)
    assert len(b"".join(read)) < LIMIT


def test_t4_parquet_that_says_it_is_larger_is_not_read() -> None:
    target = io.BytesIO()
    rows = [{"text": "a" * 10_000}] * 300
    parquet.write_table(pa.Table.from_pylist(rows), target, use_dictionary=False)

    outcome = validation.check(
        io.BytesIO(target.getvalue()), mapping=None, write=lambda row: None, unpacked_limit=LIMIT
    )

    assert len(target.getvalue()) < LIMIT
    assert "too_large_unpacked" in outcome.findings.totals
    assert outcome.rows == 0
