"""What is said about files and lines that cannot be read."""

import json

from datasets.findings import Finding, Severity, excerpt_of
from datasets.reading.rows import MAX_ROW_BYTES

_AROUND_CHARACTERS = 60


def bom() -> Finding:
    return Finding(
        code="bom",
        severity=Severity.INFO,
        line=1,
        message="The file begins with a byte order mark; it was removed.",
        fix="Nothing to do.",
    )


def utf16() -> Finding:
    return Finding(
        code="utf16",
        severity=Severity.ERROR,
        line=1,
        message="The file is UTF-16, as some editors and spreadsheets save it.",
        fix="Save the file as UTF-8 and upload it again.",
    )


def not_utf8(number: int, offset: int, content: bytes) -> Finding:
    around = content[max(0, offset - _AROUND_CHARACTERS) : offset + _AROUND_CHARACTERS]
    return Finding(
        code="not_utf8",
        severity=Severity.ERROR,
        line=number,
        message=f"The line is not UTF-8. Byte {offset + 1} of line {number} is where it fails.",
        fix="Save the file as UTF-8 and upload it again.",
        excerpt=excerpt_of(around.decode("utf-8", "replace")),
    )


def html_instead(number: int, text: str) -> Finding:
    return Finding(
        code="html_instead",
        severity=Severity.ERROR,
        line=number,
        message="This is a web page, not data.",
        fix="Download the file itself, not the page that shows it; look for a raw link.",
        excerpt=excerpt_of(text),
    )


def line_too_long(number: int) -> Finding:
    return Finding(
        code="line_too_long",
        severity=Severity.ERROR,
        line=number,
        message=f"The row is longer than {MAX_ROW_BYTES // 1024**2} MiB.",
        fix="Write one object a line, and split what is longer than any model reads.",
    )


def too_deep(text: str, number: int) -> Finding:
    return Finding(
        code="too_deep",
        severity=Severity.ERROR,
        line=number,
        message="The line nests brackets too deeply to be read.",
        fix="Keep only the columns that are trained on.",
        excerpt=excerpt_of(text),
    )


def invalid_json(text: str, number: int, error: ValueError) -> Finding:
    where, reason, begin = "", str(error), 0
    if isinstance(error, json.JSONDecodeError):
        where, reason = f" at column {error.colno}", error.msg
        # Show the place, not the beginning of what may be a long line.
        begin = max(0, error.pos - _AROUND_CHARACTERS)
    return Finding(
        code="invalid_json",
        severity=Severity.ERROR,
        line=number,
        message=f"The line is not valid JSON{where}: {reason}.",
        fix="Write one complete JSON object a line; a JSON library gets the quoting right.",
        excerpt=excerpt_of(text[begin:]),
    )


def not_an_object(text: str, number: int, value: object) -> Finding:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return Finding(
        code="not_an_object",
        severity=Severity.ERROR,
        line=number,
        message=f"The row holds {names.get(type(value), 'a number')}, not an object.",
        fix='Write an object for each row, such as {"messages": [...]}.',
        excerpt=excerpt_of(text),
    )


def invalid_csv(number: int, reason: str, text: str = "") -> Finding:
    return Finding(
        code="invalid_csv",
        severity=Severity.ERROR,
        line=number,
        message=f"The table cannot be read here: {reason}.",
        fix="Give every row as many cells as the header, and quote cells with commas or line ends.",
        excerpt=excerpt_of(text),
    )


def invalid_parquet(reason: str) -> Finding:
    return Finding(
        code="invalid_parquet",
        severity=Severity.ERROR,
        message=f"The Parquet file cannot be read: {reason[:200]}.",
        fix="Write it again, with plain columns of texts and lists, or upload JSON lines.",
    )


def truncated_gzip() -> Finding:
    return Finding(
        code="truncated_gzip",
        severity=Severity.ERROR,
        message="The gzip file ends too early or is damaged.",
        fix="Compress it again and see that the upload is complete.",
    )


def too_large_unpacked(limit: int) -> Finding:
    return Finding(
        code="too_large_unpacked",
        severity=Severity.ERROR,
        message=f"Unpacked, the file is larger than {limit / 1024**2:,.0f} MiB.",
        fix="Upload less data, or split it into several datasets.",
    )
