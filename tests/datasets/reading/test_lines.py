"""Whatever a file holds, reading it takes bounded memory and says what is no row (T4)."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import validation
from datasets.reading import rows
from tests.builders import chat_rows, json_lines
from tests.datasets.checking import TURNS, check


class TestUnreadableLines:
    """What is no row at all."""

    def test_an_empty_file_is_said_to_be_empty(self) -> None:
        for content in (b"", b"\n\n  \r\n", b"\xef\xbb\xbf"):
            assert "empty_file" in check(content).codes

    def test_broken_json_is_found_at_its_line_and_column(self) -> None:
        content = json_lines(chat_rows()) + b'{"messages": [}\n'

        result = check(content)

        assert (result.only["code"], result.only["line"]) == ("invalid_json", 13)
        assert "column 15" in result.only["message"]
        assert result.only["excerpt"] == '{"messages": [}'

    def test_the_excerpt_of_broken_json_shows_the_place_in_a_long_line(self) -> None:
        content = json_lines(chat_rows()) + b'{"a": "' + b"x" * 5000 + b'", here}\n'

        assert "here" in check(content).only["excerpt"]

    @pytest.mark.parametrize("line", [b'{"a": NaN}', b'{"a": ' + b"9" * 5000 + b"}", b"{'a': 1}"])
    def test_what_only_python_would_read_is_no_json(self, line: bytes) -> None:
        assert check(json_lines(chat_rows()) + line).codes == ["invalid_json"]

    @pytest.mark.parametrize(
        ("line", "what"), [(b"[1]", "array"), (b'"a"', "text"), (b"7", "number"), (b"null", "null")]
    )
    def test_a_line_that_holds_no_object_is_named(self, line: bytes, what: str) -> None:
        result = check(json_lines(chat_rows()) + line)

        assert (result.only["code"], result.only["line"]) == ("not_an_object", 13)
        assert what in result.only["message"]

    @pytest.mark.parametrize("begin", [b"<!DOCTYPE html>\n<html>", b"\n  <HTML lang=en>\n"])
    def test_a_web_page_is_told_once_instead_of_line_by_line(self, begin: bytes) -> None:
        result = check(begin + b"<body>\nSign in\n</body></html>\n")

        assert result.only["code"] == "html_instead"

    def test_a_line_that_is_not_utf8_is_found_with_its_byte(self) -> None:
        content = json_lines(chat_rows()) + '{"a": "é"}'.encode("latin-1") + b"\n"

        result = check(content)

        assert (result.only["code"], result.only["line"]) == ("not_utf8", 13)
        assert "Byte 8" in result.only["message"]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf16_is_told_once(self, encoding: str) -> None:
        content = ("\ufeff" + json_lines(chat_rows()).decode()).encode(encoding)

        assert check(content).only["code"] == "utf16"

    @pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000])
    def test_t4_brackets_without_end_are_too_deep(self, deep: bytes) -> None:
        result = check(json_lines(chat_rows()) + b'{"messages": ' + deep + b"\n")

        assert (result.only["code"], result.only["line"]) == ("too_deep", 13)

    def test_t4_a_line_longer_than_memory_allows_is_skipped_and_the_rest_is_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rows, "MAX_ROW_BYTES", 2000)
        good = json_lines(chat_rows())

        result = check(good + b"x" * 50_000 + b"\n" + b"{\n")

        assert [(f["code"], f["line"]) for f in result.findings] == [
            ("line_too_long", 13),
            ("invalid_json", 14),
        ]

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
    @pytest.mark.parametrize(("extra", "codes"), [(0, []), (1, ["line_too_long"])])
    def test_a_line_may_be_as_long_as_the_limit_without_its_end(
        self, monkeypatch: pytest.MonkeyPatch, end: bytes, extra: int, codes: list[str]
    ) -> None:
        monkeypatch.setattr(rows, "MAX_ROW_BYTES", 500)
        long = json.dumps({"messages": TURNS, "x": ""}).encode()
        line = long.replace(b'"x": ""', b'"x": "' + b"y" * (500 + extra - len(long)) + b'"')

        result = check(json_lines(chat_rows()) + line + end)

        assert len(line) == 500 + extra
        assert result.codes == codes

    def test_t4_a_line_without_end_is_never_held_whole(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Endless(io.RawIOBase):
            """Gives a line of 50 MB and notes how much was asked for at once."""

            def __init__(self) -> None:
                self.left = 50 * 1024**2
                self.largest = 0

            def readline(self, size: int | None = -1, /) -> bytes:
                assert size is not None
                self.largest = max(self.largest, size)
                given = min(size, self.left)
                self.left -= given
                return b"x" * given

            def read(self, size: int | None = -1, /) -> bytes:
                return self.readline(size)

            def seek(self, offset: int, whence: int = 0, /) -> int:
                self.left = 50 * 1024**2
                return 0

        monkeypatch.setattr(rows, "MAX_ROW_BYTES", 100_000)
        endless = Endless()

        outcome = validation.check(
            endless,  # type: ignore[arg-type]  # as much of a file as is needed
            mapping=None,
            write=lambda line: None,
        )

        assert outcome.findings.totals == {"line_too_long": 1}
        assert endless.largest <= 100_002

    @given(st.binary(max_size=400))
    @settings(max_examples=200, deadline=None)
    def test_t4_no_bytes_whatever_break_the_check(self, content: bytes) -> None:
        result = check(content)

        assert result.outcome.is_ready == (not result.outcome.findings.has_errors)
        assert json.dumps(result.findings)
        assert all(len(finding["excerpt"]) <= 120 for finding in result.findings)

    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from(["messages", "prompt", "completion", "role", "content"]),
                st.recursive(
                    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: (
                        st.lists(inner, max_size=3)
                        | st.dictionaries(st.sampled_from(["role", "content"]), inner)
                    ),
                    max_leaves=8,
                ),
            ),
            max_size=12,
        )
    )
    @settings(max_examples=200, deadline=None)
    def test_t4_no_objects_whatever_break_the_check(self, given_rows: list[Any]) -> None:
        result = check(json_lines(given_rows))

        assert result.outcome.rows == len(result.rows) <= len(given_rows)
        # PostgreSQL stores no NUL.
        assert all("\0" not in str(found) for one in result.findings for found in one.values())
