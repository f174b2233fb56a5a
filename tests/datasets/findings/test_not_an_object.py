"""``not_an_object``: a row that is a list, a text, a number or nothing."""

import pytest

from tests.datasets.findings.broken import LINE, check, good_and, told


@pytest.mark.parametrize(
    ("line", "what"), [(b"[1]", "array"), (b'"a"', "text"), (b"7", "number"), (b"null", "null")]
)
def test_a_line(line: bytes, what: str) -> None:
    finding = told(check(good_and(line)), "not_an_object")

    assert (finding["line"], finding["excerpt"]) == (LINE, line.decode())
    assert what in finding["message"]


def test_an_element_of_an_array() -> None:
    result = check(b'[{"text": "a"},\n"b"]')

    finding = told(result, "not_an_object")
    assert (finding["line"], result.outcome.rows) == (2, 1)
