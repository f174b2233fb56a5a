"""CSV with a header line: every cell is a text."""

import csv
import re
from collections.abc import Collection, Iterator
from typing import BinaryIO

from datasets.reading import reports, rows
from datasets.reading.lines import raw_lines
from datasets.reading.rows import Report, Row

DELIMITERS = (",", ";", "\t")
_COLUMN_NAME = re.compile(r"[^\W\d][\w .-]{0,60}")
_MAX_COLUMNS = 500


def delimiter_of(begin: str, known: Collection[str]) -> str | None:
    """Return what separates the cells of a table that begins like this; None for no table.

    Its header names a known column, or looks like one and the next line has as many cells.
    """
    known = {name.casefold() for name in known}
    for delimiter in DELIMITERS:
        rows = csv.reader(begin.splitlines(keepends=True), delimiter=delimiter)
        try:
            names, cells = _header(next(rows, [])), next(rows, [])
        except csv.Error:
            continue
        if known & {name.casefold() for name in names}:
            return delimiter
        if 1 < len(names) == len(cells) and all(map(_COLUMN_NAME.fullmatch, names)):
            return delimiter
    return None


def read_table(file: BinaryIO, report: Report, *, delimiter: str) -> Iterator[Row]:
    """Yield every row as column and cell; where the table breaks, that is told and reading ends."""
    lines = _Lines(file, report)
    # Its own limit is 128 KiB a cell, and it knows no limit but one for all.
    csv.field_size_limit(rows.MAX_ROW_BYTES)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] = []
    number = 1
    try:
        for cells in reader:
            if not header:
                header = _header(cells)
                if len(set(header)) < len(header) or len(header) > _MAX_COLUMNS:
                    report(reports.invalid_csv(1, "the header names a column twice"))
                    return
            elif len(cells) > len(header):
                reason = f"there are {len(cells)} cells, and the header names {len(header)}"
                report(reports.invalid_csv(number, reason, delimiter.join(cells)[:200]))
            elif cells:
                yield Row(number, dict(zip(header, cells, strict=False)))
            number = reader.line_num + 1
    except csv.Error as error:
        report(reports.invalid_csv(number, str(error)))


class _Lines:
    """The decoded lines of a table; they end where one cannot be read, and that is reported."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self._raw = raw_lines(file)
        self._report = report

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        number, line = next(self._raw)
        if line is None:
            self._report(reports.line_too_long(number))
            raise StopIteration
        try:
            return line.decode("utf-8").replace("\0", "\ufffd")
        except UnicodeDecodeError as error:
            self._report(reports.not_utf8(number, error.start, line))
            raise StopIteration from None


def _header(cells: list[str]) -> list[str]:
    return [cell.strip() for cell in cells]
