"""``invalid_json``: with line and column, and an excerpt of the place."""

from tests.datasets.findings.broken import LINE, check, good_and, told


def test_a_broken_line() -> None:
    finding = told(check(good_and(b'{"messages": [}')), "invalid_json")

    assert finding["line"] == LINE
    assert "column 15" in finding["message"]
    assert finding["excerpt"] == '{"messages": [}'


def test_the_excerpt_shows_the_place_in_a_long_line() -> None:
    finding = told(check(good_and(b'{"a": "' + b"x" * 5000 + b'", here}')), "invalid_json")

    assert "here" in finding["excerpt"]


def test_an_array_that_breaks_off() -> None:
    finding = told(check(b'[\n{"text": "a"},\n{"text": "b", oops}\n]'), "invalid_json")

    assert (finding["line"], "column 15" in finding["message"]) == (3, True)
    assert finding["excerpt"] == '{"text": "b", oops}'


def test_an_array_without_a_comma() -> None:
    finding = told(check(b'[\n{"text": "a"}\n{"text": "b"}\n]'), "invalid_json")

    assert (finding["line"], "column 1:" in finding["message"]) == (3, True)


def test_an_array_without_an_end() -> None:
    finding = told(check(b'[{"text": "a"},\n{"text": "b"}'), "invalid_json")

    assert finding["line"] == 2


def test_more_after_the_arrays_end() -> None:
    finding = told(check(b'[{"text": "a"}]\n[{"text": "b"}]'), "invalid_json")

    assert finding["line"] == 2
