"""``not_utf8``: bytes that are no text, with the line and the byte."""

from tests.datasets.findings.broken import LINE, check, good_and, told


def test_a_line_in_latin_1() -> None:
    finding = told(check(good_and('{"a": "é"}'.encode("latin-1"))), "not_utf8")

    assert finding["line"] == LINE
    assert "Byte 8 of line 13" in finding["message"]
    assert finding["excerpt"] == '{"a": "\N{REPLACEMENT CHARACTER}"}'


def test_a_table_in_latin_1() -> None:
    content = b"prompt,completion\n" + "".join(f"{n}?,{n}\n" for n in range(12)).encode()

    finding = told(check(content + "é?,e\n".encode("latin-1")), "not_utf8")

    assert finding["line"] == 14


def test_an_array_in_latin_1() -> None:
    finding = told(check(b'[\n{"text": "ok"},\n{"text": "\xe9"}\n]'), "not_utf8")

    assert (finding["line"], "Byte 11" in finding["message"]) == (3, True)
