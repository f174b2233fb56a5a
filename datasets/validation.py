"""Checking uploaded data line by line, in bounded memory, and writing its normalised rows.

No Django here: files in, findings and rows out, so that any worker can do it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from datasets import formats
from datasets.findings import Finding, Findings, Severity, excerpt_of
from datasets.lengths import LengthCounter, RowLengths
from datasets.reading import Row, read_rows

# One row to train on and one to measure with.
MIN_ROWS = 2
FEW_ROWS = 10
# Repeated rows are looked for among this many: 8 bytes of hash each, about 50 MB in all.
DUPLICATES_AMONG_ROWS = 500_000
_RECOGNISE_AMONG_ROWS = 100
# A rule of thumb for English and for code; other scripts take more bytes and more tokens alike.
BYTES_A_TOKEN = 4
# What a chat template adds around each message.
TOKENS_A_MESSAGE = 4

Write = Callable[[bytes], object]


@dataclass(frozen=True)
class Outcome:
    """What a check found. ``format`` is "" when the data has no form that is known.

    ``rows`` counts the good ones. ``lengths`` is an estimate: UTF-8 bytes of all texts divided by
    4, and 4 for each message's frame; the true number depends on the model's tokeniser.
    """

    findings: Findings
    format: str
    rows: int
    lengths: RowLengths

    @property
    def is_ready(self) -> bool:
        """Whether the data can be trained on."""
        return not self.findings.has_errors

    @property
    def tokens(self) -> int:
        """All tokens of the good rows."""
        return self.lengths.tokens


def check(file: BinaryIO, *, mapping: Mapping[str, Any] | None, write: Write) -> Outcome:
    """Check every line of ``file`` and hand the good rows to ``write``, one encoded line each.

    The file is read twice, the first time only as far as a row whose form is known. What was
    written is of use only if the outcome ``is_ready``.
    Raises: InvalidInputError for a mapping that maps nothing.
    """
    findings = Findings()
    form = formats.form_of_mapping(mapping) if mapping else None
    if form is None:
        form = _recognised(file, findings)
    checked = _Checked(findings, write)
    file.seek(0)
    for row in read_rows(file, findings.add):
        checked.seen += 1
        if form is None:
            continue
        content = formats.normalised(row, form, findings.add)
        if content is not None:
            checked.take(row, content)
    checked.judge_number_of_rows()
    return Outcome(
        findings=findings,
        format=form.format if form is not None else "",
        rows=checked.rows,
        lengths=checked.counter.lengths(),
    )


def _recognised(file: BinaryIO, findings: Findings) -> formats.Form | None:
    """Return the form of the first row that has one; a broken first row must not decide."""
    file.seek(0)
    # Reported when the file is read again, as far as it goes.
    begin: Iterator[Row] = islice(read_rows(file, lambda _: None), _RECOGNISE_AMONG_ROWS)
    first = None
    for row in begin:
        first = first or row
        form = formats.form_of_row(row.value)
        if form is not None:
            return form
    if first is not None:
        findings.add(formats.unknown_format(first))
    return None


class _Checked:
    """The good rows so far: written, counted, and compared with the earlier ones."""

    def __init__(self, findings: Findings, write: Write) -> None:
        self._findings = findings
        self._write = write
        self._hashes: set[bytes] = set()
        self.seen = 0
        self.rows = 0
        self.counter = LengthCounter()

    def take(self, row: Row, content: Mapping[str, Any]) -> None:
        """Write a normalised row and count it."""
        encoded = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        self._write(encoded + b"\n")
        self.rows += 1
        count_row(self.counter, content)
        self._look_for_duplicate(row, encoded)

    def _look_for_duplicate(self, row: Row, encoded: bytes) -> None:
        digest = hashlib.blake2b(encoded, digest_size=8).digest()
        if digest in self._hashes:
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
            self._hashes.add(digest)

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


def count_row(counter: LengthCounter, content: Mapping[str, Any]) -> None:
    """Count the length of a normalised row, and what of it the model learns to write."""
    texts = formats.texts_of(content)
    tokens = [len(text.encode()) // BYTES_A_TOKEN + TOKENS_A_MESSAGE for _, text in texts]
    learnt = (
        length for (who, _), length in zip(texts, tokens, strict=True) if who in formats.LEARNT
    )
    counter.add(sum(tokens), answer_tokens=sum(learnt))
