"""JSON lines: one object a line, each line read and judged alone."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NoReturn

import orjson

from datasets.reading import reports, rows
from datasets.reading.rows import Report, Row


def raw_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line with its end), and None for a line that is too long to be held."""
    number = 0
    # Two bytes more than a line may have: room for its end.
    limit = rows.MAX_ROW_BYTES
    while line := file.readline(limit + 2):
        number += 1
        if len(line) <= limit or len(line.removesuffix(b"\n").removesuffix(b"\r")) <= limit:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(limit)
        yield number, None


def read_lines(file: BinaryIO, report: Report) -> Iterator[Row]:
    """Yield every line that holds a JSON object and report the others; blank lines are skipped.

    Lines end in LF or CRLF.
    """
    return rows_of(raw_lines(file), report)


def rows_of(lines: Iterable[tuple[int, bytes | None]], report: Report) -> Iterator[Row]:
    """Yield each numbered line that holds a JSON object and report the others."""
    parse = orjson.loads
    for number, line in lines:
        if line is None:
            report(reports.line_too_long(number))
            continue
        try:
            value = parse(line)
        except ValueError:
            value = _parsed_slowly(number, line, report)
            if value is not None:
                yield Row(number, value, line)
            continue
        if type(value) is dict:
            yield Row(number, value, line)
        else:
            report(reports.not_an_object(line.decode().rstrip("\r\n"), number, value))


def _parsed_slowly(number: int, line: bytes, report: Report) -> dict[str, Any] | None:
    """Say where a line fails; some that orjson refuses are JSON all the same."""
    if not line.strip():
        return None
    content = line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        report(reports.not_utf8(number, error.start, content))
        return None
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except RecursionError:
        report(reports.too_deep(text, number))
        return None
    except ValueError as error:
        report(reports.invalid_json(text, number, error))
        return None
    if isinstance(value, dict):
        return value
    report(reports.not_an_object(text, number, value))
    return None


def refuse_constant(name: str) -> NoReturn:
    """NaN and the infinities are Python's, not JSON's."""
    raise ValueError(f"{name} is not JSON")
