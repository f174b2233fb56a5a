"""``truncated_gzip``: an upload or a download that broke off, or bytes that were changed."""

import gzip

import pytest

from tests.builders import chat_rows, json_lines
from tests.datasets.findings.broken import check, told

PACKED = gzip.compress(json_lines(chat_rows(500)), mtime=0)


@pytest.mark.parametrize("kept", [12, 400, len(PACKED) - 4])
def test_a_file_that_ends_too_early(kept: int) -> None:
    told(check(PACKED[:kept]), "truncated_gzip")


def test_a_file_whose_checksum_is_wrong() -> None:
    changed = PACKED[:-8] + bytes(4) + PACKED[-4:]

    told(check(changed), "truncated_gzip")


def test_a_file_whose_middle_was_changed() -> None:
    middle = len(PACKED) // 2

    assert "truncated_gzip" in check(PACKED[:middle] + b"\xff" * 40 + PACKED[middle + 40 :]).codes
