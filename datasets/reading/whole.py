"""What a file is, by its first bytes, and who reads it."""

from collections.abc import Collection, Iterator
from typing import BinaryIO

from datasets.reading import reports
from datasets.reading.array import read_array
from datasets.reading.lines import read_lines
from datasets.reading.parquet import MAGIC as PARQUET_MAGIC
from datasets.reading.parquet import read_parquet
from datasets.reading.rows import Report, Row
from datasets.reading.table import delimiter_of, read_table
from datasets.reading.unpacking import (
    GZIP_MAGIC,
    TooLargeUnpackedError,
    TruncatedGzipError,
    unpacked,
)

DEFAULT_UNPACKED_LIMIT_BYTES = 4 * 1024**3
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_HTML_STARTS = ("<!doctype html", "<html")
_LOOK_AT_BYTES = 64 * 1024


def read_rows(
    file: BinaryIO,
    report: Report,
    *,
    known_columns: Collection[str] = (),
    unpacked_limit: int = DEFAULT_UNPACKED_LIMIT_BYTES,
) -> Iterator[Row]:
    """Yield every row of ``file`` from its beginning, and report what is no row.

    ``known_columns`` tell a table's header from a line of text. A file that is something else
    altogether is reported once.
    """
    file.seek(0)
    is_packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    content = unpacked(file, limit=unpacked_limit) if is_packed else file
    try:
        content.seek(0)
        yield from _plain_rows(
            content, report, known_columns, limit=unpacked_limit, is_packed=is_packed
        )
    except TruncatedGzipError:
        report(reports.truncated_gzip())
    except TooLargeUnpackedError:
        report(reports.too_large_unpacked(unpacked_limit))


def _plain_rows(
    file: BinaryIO,
    report: Report,
    known_columns: Collection[str],
    *,
    limit: int,
    is_packed: bool,
) -> Iterator[Row]:
    begin = file.read(_LOOK_AT_BYTES)
    file.seek(0)
    if begin.startswith(PARQUET_MAGIC):
        yield from read_parquet(file, report, limit=limit, is_packed=is_packed)
        return
    if _is_utf16(begin):
        report(reports.utf16())
        return
    if begin.startswith(_UTF8_BOM):
        report(reports.bom())
        file.read(len(_UTF8_BOM))
        begin = begin.removeprefix(_UTF8_BOM)
    text = begin.decode("utf-8", "replace").lstrip()
    if text[:20].lower().startswith(_HTML_STARTS):
        number = begin[: len(begin) - len(begin.lstrip())].count(b"\n") + 1
        report(reports.html_instead(number, text.split("\n", 1)[0]))
    elif text.startswith("["):
        yield from read_array(file, report)
    elif not text.startswith("{") and (delimiter := delimiter_of(text, known_columns)):
        yield from read_table(file, report, delimiter=delimiter)
    else:
        yield from read_lines(file, report)


def _is_utf16(begin: bytes) -> bool:
    """By its mark, or by every other byte of ASCII being zero."""
    if begin.startswith(_UTF16_BOMS):
        return True
    some = begin[:200]
    zeros = (some[0::2].count(0), some[1::2].count(0))
    return len(some) >= 8 and max(zeros) * 2 > 0.8 * len(some) and min(zeros) == 0
