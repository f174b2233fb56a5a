"""Findings are counted without limit, kept within one, and shown safely (T4)."""

import csv
import io
from typing import Any

import pytest

from datasets.findings import Finding, Findings, Severity, as_csv, excerpt_of


def make_finding(**changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "code": "empty_content",
        "severity": Severity.ERROR,
        "message": "It is empty.",
        "fix": "Fill it.",
        "line": 1,
    }
    return Finding(**{**fields, **changes})


def test_a_hundred_are_listed_and_all_are_counted() -> None:
    findings = Findings()

    for line in range(1, 251):
        findings.add(make_finding(line=line))

    listed = findings.listed()
    assert [finding["line"] for finding in listed] == list(range(1, 101))
    assert findings.totals == {"empty_content": 250}


def test_errors_come_first_and_a_flood_of_warnings_hides_none() -> None:
    findings = Findings()
    for line in range(1, 201):
        findings.add(make_finding(code="duplicate_rows", severity=Severity.WARNING, line=line))
    findings.add(make_finding(code="bom", severity=Severity.INFO))
    findings.add(make_finding(line=999))

    listed = findings.listed()

    assert (len(listed), listed[0]["line"]) == (100, 999)
    assert findings.totals == {"duplicate_rows": 200, "bom": 1, "empty_content": 1}


def test_only_an_error_keeps_data_from_being_trained_on() -> None:
    findings = Findings()

    findings.add(make_finding(severity=Severity.WARNING))
    findings.add(make_finding(severity=Severity.INFO))
    assert not findings.has_errors

    findings.add(make_finding(severity=Severity.ERROR))
    assert findings.has_errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("a\0b\x1b[31mc\ud800d\u202ee\nf", "a b [31mc d e f"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 117 + "..."),
    ],
)
def test_an_excerpt_is_short_and_holds_printable_characters_only(text: str, shown: str) -> None:
    assert excerpt_of(text) == shown


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_t4_a_cell_that_would_be_a_formula_is_a_text(start: str) -> None:
    finding = {"line": 3, "excerpt": f'{start}cmd|"/c calc"!A1', "code": "x"}

    rows = list(csv.reader(io.StringIO(as_csv([finding]), newline="")))

    assert rows[0] == ["line", "severity", "code", "field", "message", "fix", "excerpt"]
    assert rows[1][0] == "3"
    assert rows[1][6] == f'\'{start}cmd|"/c calc"!A1'
