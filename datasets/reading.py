"""Reading JSON lines one at a time, whatever the file holds, in bounded memory (T4)."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from datasets.findings import Finding, Severity, excerpt_of

MAX_LINE_BYTES = 4 * 1024**2
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_HTML_STARTS = ("<!doctype html", "<html")

Report = Callable[[Finding], None]


@dataclass(frozen=True)
class Row:
    """One line that holds a JSON object; ``text`` is the line without its end."""

    line: int
    value: dict[str, Any]
    text: str


def read_rows(file: BinaryIO, report: Report) -> Iterator[Row]:
    """Yield every line that holds a JSON object and report the others; blank lines are skipped.

    Lines end in LF or CRLF. A file that is something else altogether is reported once.
    """
    texts = _texts(file, report)
    begin = next(texts, None)
    if begin is None:
        return
    other = _something_else(*begin)
    if other is not None:
        report(other)
        return
    for number, text in itertools.chain([begin], texts):
        value = _parsed(number, text, report)
        if value is not None:
            yield Row(line=number, value=value, text=text)


def _texts(file: BinaryIO, report: Report) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of every line that can be read and is not blank."""
    for number, raw in _lines(file):
        if raw is None:
            report(_line_too_long(number))
            continue
        content = raw
        if number == 1 and raw.startswith(_UTF16_BOMS):
            report(_not_utf8(1, 0, "The file is UTF-16."))
            return
        if number == 1 and raw.startswith(_UTF8_BOM):
            report(_bom())
            content = raw.removeprefix(_UTF8_BOM)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            report(_not_utf8(number, error.start, "The line is not UTF-8."))
            continue
        if text.strip():
            yield number, text


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line without its end), and None for a line that is too long to be held."""
    number = 0
    # Two bytes more than a line may have: room for its end.
    while line := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(content) <= MAX_LINE_BYTES:
            yield number, content
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield number, None


def _something_else(number: int, text: str) -> Finding | None:
    """Say what a file is that begins with this line, if it cannot be JSON lines."""
    begin = text.lstrip()[:20].lower()
    if begin.startswith(_HTML_STARTS):
        return Finding(
            code="html_instead",
            severity=Severity.ERROR,
            line=number,
            message="This is a web page, not data.",
            fix="Download the file itself, not the page that shows it; look for a raw link.",
            excerpt=excerpt_of(text),
        )
    if begin.startswith("["):
        return Finding(
            code="not_an_object",
            severity=Severity.ERROR,
            line=number,
            message="The file is one JSON array instead of one object a line.",
            fix="Write each element on a line of its own, without the brackets and commas.",
            excerpt=excerpt_of(text),
        )
    return None


def _parsed(number: int, text: str, report: Report) -> dict[str, Any] | None:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        report(_too_deep(text, number))
        return None
    except ValueError as error:
        report(_invalid_json(text, number, error))
        return None
    if not isinstance(value, dict):
        report(_not_an_object(text, number, value))
        return None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _bom() -> Finding:
    return Finding(
        code="bom",
        severity=Severity.INFO,
        line=1,
        message="The file begins with a byte order mark; it was removed.",
        fix="Nothing to do.",
    )


def _not_utf8(number: int, offset: int, message: str) -> Finding:
    return Finding(
        code="not_utf8",
        severity=Severity.ERROR,
        line=number,
        message=f"{message} Byte {offset + 1} of line {number} is where it fails.",
        fix="Save the file as UTF-8 and upload it again.",
    )


def _line_too_long(number: int) -> Finding:
    return Finding(
        code="line_too_long",
        severity=Severity.ERROR,
        line=number,
        message=f"The line is longer than {MAX_LINE_BYTES // 1024**2} MiB.",
        fix="Write one object a line, and split what is longer than any model reads.",
    )


def _too_deep(text: str, number: int) -> Finding:
    return Finding(
        code="too_deep",
        severity=Severity.ERROR,
        line=number,
        message="The line nests brackets too deeply to be read.",
        fix="Keep only the columns that are trained on.",
        excerpt=excerpt_of(text),
    )


def _invalid_json(text: str, number: int, error: ValueError) -> Finding:
    where = ""
    begin = 0
    reason = str(error)
    if isinstance(error, json.JSONDecodeError):
        where = f" at column {error.colno}"
        reason = error.msg
        # Show the place, not the beginning of what may be a long line.
        begin = max(0, error.pos - 60)
    return Finding(
        code="invalid_json",
        severity=Severity.ERROR,
        line=number,
        message=f"The line is not valid JSON{where}: {reason}.",
        fix="Write one complete JSON object a line; a JSON library gets the quoting right.",
        excerpt=excerpt_of(text[begin:]),
    )


def _not_an_object(text: str, number: int, value: object) -> Finding:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return Finding(
        code="not_an_object",
        severity=Severity.ERROR,
        line=number,
        message=f"The line holds {names.get(type(value), 'a number')}, not an object.",
        fix='Write an object a line, such as {"messages": [...]}.',
        excerpt=excerpt_of(text),
    )
