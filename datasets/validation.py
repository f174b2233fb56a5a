"""Checking uploaded data row by row, in bounded memory, and writing its normalised rows.

No Django here: files in, findings and rows out, so that any worker can do it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import orjson

from datasets import formats, forms, plain_blocks
from datasets.findings import Finding, Findings, Severity, excerpt_of
from datasets.forms import Form
from datasets.lengths import LengthCounter, RowLengths
from datasets.normalising import normalised
from datasets.plain_blocks import Block, Plain
from datasets.problems import NOT_TEXT, Problems, not_text
from datasets.reading import Report, Row, read_rows
from datasets.reading.lines import rows_of
from datasets.reading.whole import DEFAULT_UNPACKED_LIMIT_BYTES
from datasets.secrets_suspected import secrets_suspected, suspected
from datasets.sizes import count_row

# One row to train on and one to measure with.
MIN_ROWS = 2
FEW_ROWS = 10
# Repeated rows are looked for among this many, at about 100 bytes of memory each.
DUPLICATES_AMONG_ROWS = 1_500_000
_RECOGNISE_AMONG_ROWS = 100
_BEGIN_BYTES = 4096
_ROWS_BETWEEN_PROGRESS = 2000
_WRITTEN_AT_ONCE_BYTES = 256 * 1024
# Smaller files are checked before pyarrow is even imported.
MANY_ROWS_AT_ONCE_FROM_BYTES = 5 * 1000**2
Write = Callable[[bytes], object]


@dataclass(frozen=True)
class Outcome:
    """What a check found. ``format`` is "" when the data has no form that is known.

    ``rows`` counts the good ones. ``lengths`` is an estimate: UTF-8 bytes of all texts divided by
    4, and 4 for each message's frame; the true number depends on the model's tokeniser. With
    ``is_as_uploaded`` the file itself is what would have been written, so nothing was.
    """

    findings: Findings
    format: str
    rows: int
    lengths: RowLengths
    is_as_uploaded: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether the data can be trained on."""
        return not self.findings.has_errors

    @property
    def tokens(self) -> int:
        """All tokens of the good rows."""
        return self.lengths.tokens


def check(
    file: BinaryIO,
    *,
    mapping: Mapping[str, Any] | None,
    write: Write,
    progress: Callable[[int], object] = lambda done: None,
    unpacked_limit: int = DEFAULT_UNPACKED_LIMIT_BYTES,
    many_at_once_from: int = MANY_ROWS_AT_ONCE_FROM_BYTES,
) -> Outcome:
    """Check every row of ``file`` and hand the good ones to ``write``, one encoded line each.

    The file is read twice, the first time only as far as a row whose form is known. What was
    written is of use only if the outcome ``is_ready``. ``progress`` is told how many bytes of the
    file are read, now and then. JSON lines of at least ``many_at_once_from`` bytes are first looked
    at in blocks.
    Raises: InvalidInputError for a mapping that maps nothing.
    """
    findings = Findings()
    form = forms.form_of_mapping(mapping) if mapping else None
    known = forms.KNOWN_COLUMNS if form is None else frozenset(form.parts.values())

    def rows(report: Report) -> Iterator[Row]:
        return read_rows(file, report, known_columns=known, unpacked_limit=unpacked_limit)

    if form is None:
        # What is wrong is reported when the file is read again, as far as it goes.
        form = _recognised(rows(lambda _: None), findings)
    checked = _Checked(file, findings, write)
    if form is not None and plain_blocks.may_be_plain(form) and _is_long(file, many_at_once_from):
        for block, plain in plain_blocks.read_blocks(file, form):
            progress(file.tell())
            if plain is not None:
                checked.take_block(block, plain)
                continue
            checked.write_from_here()
            for row in rows_of(enumerate(block.lines, start=block.first), findings.add):
                checked.look_at(row, form, may_repeat_line=True)
    else:
        for number, row in enumerate(rows(findings.add), start=1):
            if number % _ROWS_BETWEEN_PROGRESS == 0:
                progress(file.tell())
            checked.look_at(row, form)
    checked.flush()
    checked.judge_number_of_rows()
    return Outcome(
        findings=findings,
        format=form.format if form is not None else "",
        rows=checked.rows,
        lengths=checked.counter.lengths(),
        is_as_uploaded=checked.is_as_uploaded,
    )


def _is_long(file: BinaryIO, least_bytes: int) -> bool:
    """Say whether a file holds JSON lines, and many; leave it at its beginning."""
    is_long = file.seek(0, os.SEEK_END) >= least_bytes
    file.seek(0)
    begin = file.read(_BEGIN_BYTES)
    file.seek(0)
    return is_long and begin.lstrip().startswith(b"{")


def first_row(file: BinaryIO) -> Row | None:
    """Return the first row of a file, whatever its columns; None when no row can be read."""
    return next(read_rows(file, lambda _: None, known_columns=forms.KNOWN_COLUMNS), None)


def _recognised(rows: Iterator[Row], findings: Findings) -> forms.Form | None:
    """Return the form of the first row that has one; a broken first row must not decide."""
    first = None
    for row in islice(rows, _RECOGNISE_AMONG_ROWS):
        first = first or row
        form = forms.form_of_row(row.value)
        if form is not None:
            return form
    if first is not None:
        findings.add(forms.unknown_format(first))
    return None


class _Checked:
    """The good rows so far: written, counted, and compared with the earlier ones."""

    def __init__(self, file: BinaryIO, findings: Findings, write: Write) -> None:
        self._file = file
        self._findings = findings
        self._write = write
        # So far the file is what would be written, up to here.
        self._same_bytes = 0
        self._is_writing = False
        self._hashes: set[int] = set()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.seen = 0
        self.rows = 0
        self.counter = LengthCounter()

    def take_block(self, block: Block, plain: Plain) -> None:
        """Take a block of plain rows as it is."""
        if not block.is_as_uploaded:
            self.write_from_here()
        if self._is_writing:
            self.flush()
            self._write(block.content)
        else:
            self._same_bytes += len(block.content)
        self.seen += len(block.lines)
        self.rows += len(block.lines)
        self.counter.add_many(plain.lengths, answer_tokens=plain.answer_tokens)
        hashes = list(map(hash, block.lines))
        if len(set(hashes)) == len(hashes) and self._hashes.isdisjoint(hashes):
            if len(self._hashes) + len(hashes) <= DUPLICATES_AMONG_ROWS:
                self._hashes.update(hashes)
            return
        for number, line in enumerate(block.lines, start=block.first):
            self._look_for_duplicate(Row(number, {}, line), {hash(line)})

    @property
    def is_as_uploaded(self) -> bool:
        """Whether nothing was written because the file holds just that."""
        return self._same_bytes > 0 and not self._is_writing

    def write_from_here(self) -> None:
        """Write what was the same so far, if anything; from now on everything is written."""
        if self._is_writing:
            return
        self._is_writing = True
        here, left = self._file.tell(), self._same_bytes
        self._file.seek(0)
        while left and (content := self._file.read(min(left, _WRITTEN_AT_ONCE_BYTES))):
            self._write(content)
            left -= len(content)
        self._file.seek(here)

    def look_at(self, row: Row, form: Form | None, *, may_repeat_line: bool = False) -> None:
        """Take a row, or report what is wrong with it.

        With ``may_repeat_line`` it is compared with earlier lines as well as with earlier content.
        """
        self.seen += 1
        if form is not None:
            content = normalised(row, form, self._findings.add)
            if content is not None:
                self._take(row, content, may_repeat_line=may_repeat_line)

    def _take(self, row: Row, content: Mapping[str, Any], *, may_repeat_line: bool) -> None:
        try:
            encoded = orjson.dumps(content)
        except TypeError:
            _report_not_text(row, content, self._findings.add)
            return
        self._waiting.append(encoded)
        self._waiting_bytes += len(encoded)
        if self._waiting_bytes > _WRITTEN_AT_ONCE_BYTES:
            self.flush()
        self.rows += 1
        count_row(self.counter, content)
        # 64 bits, keyed anew in each process: nobody can make rows that only seem to repeat.
        digests = {hash(encoded)} | ({hash(row.raw)} if may_repeat_line else set())
        self._look_for_duplicate(row, digests)
        key = suspected(encoded)
        if key is not None:
            self._findings.add(secrets_suspected(row, key))

    def flush(self) -> None:
        """Hand on the rows that wait to be written."""
        if self._waiting:
            self._write(b"\n".join(self._waiting) + b"\n")
        self._waiting.clear()
        self._waiting_bytes = 0

    def _look_for_duplicate(self, row: Row, digests: set[int]) -> None:
        if not self._hashes.isdisjoint(digests):
            self._findings.add(
                Finding(
                    code="duplicate_rows",
                    severity=Severity.WARNING,
                    line=row.line,
                    message="The row repeats an earlier one.",
                    fix="Remove it, unless it is meant to count twice.",
                    excerpt=excerpt_of(row.text),
                )
            )
        elif len(self._hashes) < DUPLICATES_AMONG_ROWS:
            self._hashes |= digests

    def judge_number_of_rows(self) -> None:
        """Say so when there is nothing, or too little, to train on."""
        if self.seen == 0 and not self._findings.has_errors:
            self._findings.add(
                Finding(
                    code="empty_file",
                    severity=Severity.ERROR,
                    message="The file holds no rows.",
                    fix="Upload a file with one JSON object a line.",
                )
            )
        elif not self._findings.has_errors and self.rows < FEW_ROWS:
            enough = self.rows >= MIN_ROWS
            self._findings.add(
                Finding(
                    code="too_few_rows",
                    severity=Severity.WARNING if enough else Severity.ERROR,
                    message=f"There are only {self.rows} rows to learn from."
                    if self.rows != 1
                    else "There is only 1 row to learn from.",
                    fix=f"Give at least {MIN_ROWS} rows; a few hundred good ones teach a style.",
                )
            )


def _report_not_text(row: Row, content: Mapping[str, Any], report: Report) -> None:
    """Half of a surrogate pair stands somewhere in the row, since it cannot be written as UTF-8."""
    problems = Problems(row, report)
    for field, text in formats.fields_of(content):
        if NOT_TEXT.search(text):
            not_text(field, problems)
