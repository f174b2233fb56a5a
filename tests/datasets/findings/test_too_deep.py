"""``too_deep``: brackets without end (T4)."""

import pytest

from tests.datasets.findings.broken import LINE, check, good_and, told


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000])
def test_t4_a_line(deep: bytes) -> None:
    assert told(check(good_and(b'{"messages": ' + deep)), "too_deep")["line"] == LINE


def test_t4_an_array() -> None:
    assert "too_deep" in check(b'[{"text": "a"},\n' + b"[" * 100_000).codes
