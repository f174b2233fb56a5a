"""One JSON array of objects, read element by element."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from datasets.reading import reports, rows
from datasets.reading.lines import refuse_constant
from datasets.reading.rows import Report, Row

_CHUNK_BYTES = 1024**2
_SPACE = re.compile(r"[ \t\r\n]*")


class _Broken(Exception):  # noqa: N818  # the end of reading, told already
    """The array cannot be read on from here."""


class _Text:
    """The part of the file that is being looked at, and where in the file it stands."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self._file = file
        self._report = report
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.text = ""
        self.at = 0
        self.line = 1
        self.has_more = True

    def grow(self) -> None:
        """Take the next chunk, and let go of what was read."""
        self.line += self.text.count("\n", 0, self.at)
        chunk = self._file.read(_CHUNK_BYTES)
        self.has_more = bool(chunk)
        try:
            more = self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start])
            number = self.line + self.text.count("\n", self.at) + before.count(b"\n")
            begin = before.rfind(b"\n") + 1
            content = bytes(error.object[begin:])
            self._report(reports.not_utf8(number, error.start - begin, content))
            raise _Broken from error
        self.text = self.text[self.at :] + more
        self.at = 0

    def next_sign(self) -> str:
        """Skip white space and return the character that follows it; "" at the end."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text) or not self.has_more:
                return self.text[self.at : self.at + 1]
            self.grow()

    @property
    def line_here(self) -> int:
        """The number of the line that is being looked at."""
        return self.line + self.text.count("\n", 0, self.at)


def read_array(file: BinaryIO, report: Report) -> Iterator[Row]:
    """Yield every object of the array; where it is broken, that is reported and reading ends."""
    text = _Text(file, report)
    try:
        text.next_sign()
        text.at += 1
        if text.next_sign() == "]":
            return
        while True:
            yield from _element(text, report)
            sign = text.next_sign()
            text.at += 1
            if sign == "]":
                break
            if sign != ",":
                raise _broken(text, report, "Expecting ',' or ']' between the array's objects", 1)
        if text.next_sign():
            raise _broken(text, report, "There is more after the array's end", 0)
    except _Broken:
        return


def _element(text: _Text, report: Report) -> Iterator[Row]:
    decoder = json.JSONDecoder(parse_constant=refuse_constant)
    text.next_sign()
    while True:
        try:
            value, end = decoder.raw_decode(text.text, text.at)
        except RecursionError:
            report(reports.too_deep(text.text[text.at : text.at + 200], text.line_here))
            raise _Broken from None
        except ValueError as error:
            if text.has_more and len(text.text) - text.at <= rows.MAX_ROW_BYTES:
                text.grow()
                continue
            raise _broken_here(text, report, error) from None
        # A number may go on in the next chunk.
        if end == len(text.text) and text.has_more:
            text.grow()
            continue
        break
    number, begin = text.line_here, text.at
    text.at = end
    if isinstance(value, dict):
        yield Row(number, value)
    else:
        report(reports.not_an_object(text.text[begin:end][:200], number, value))


def _broken_here(text: _Text, report: Report, error: ValueError) -> _Broken:
    if text.has_more:
        report(reports.line_too_long(text.line_here))
        return _Broken()
    if not isinstance(error, json.JSONDecodeError):
        report(reports.invalid_json(text.text[text.at : text.at + 200], text.line_here, error))
        return _Broken()
    text.at = min(error.pos, len(text.text))
    return _broken(text, report, error.msg, 0)


def _broken(text: _Text, report: Report, reason: str, back: int) -> _Broken:
    """Report that the array breaks off ``back`` characters before here."""
    text.at = max(0, text.at - back)
    number = text.line_here
    begin = text.text.rfind("\n", 0, text.at) + 1
    line = text.text[begin : text.text.find("\n", text.at) % (len(text.text) + 1)]
    error = json.JSONDecodeError(reason, line, min(len(line), text.at - begin))
    report(reports.invalid_json(line, number, error))
    return _Broken()
