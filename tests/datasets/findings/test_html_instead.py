"""``html_instead``: a page that shows data is not the data; told once, not line by line."""

import gzip

import pytest

from tests.datasets.findings.broken import check, told

PAGE = b"<body>\nSign in\n</body></html>\n"


@pytest.mark.parametrize("begin", [b"<!DOCTYPE html>\n<html>", b"\n  <HTML lang=en>\n"])
def test_a_web_page(begin: bytes) -> None:
    assert "raw link" in told(check(begin + PAGE), "html_instead")["fix"]


def test_a_packed_web_page() -> None:
    told(check(gzip.compress(b"<html>" + PAGE)), "html_instead")
