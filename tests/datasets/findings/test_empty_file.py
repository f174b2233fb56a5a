"""``empty_file``: nothing in it, however much of that."""

import gzip

import pytest

from tests.datasets.findings.broken import check, told


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n  \r\n", b"[]", b"[ \n ]\n", b"prompt,completion\n", gzip.compress(b"", mtime=0)],
)
def test_no_rows(content: bytes) -> None:
    told(check(content), "empty_file")
