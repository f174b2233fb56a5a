"""``overlap_train_eval``: an eval loss on what was trained on says little; a warning."""

from typing import Any

import pytest

from datasets.findings import Severity
from datasets.for_training import Training, fit_of
from tests.builders import chat_rows, json_lines, make_dataset

pytestmark = pytest.mark.django_db


def overlap(train: list[Any], evaluation: list[Any]) -> dict[str, int]:
    training = Training(
        "sft", max_length=1024, evaluation=make_dataset(content=json_lines(evaluation))
    )
    findings = fit_of(make_dataset(content=json_lines(train)), training).findings
    assert all(one["severity"] == Severity.WARNING for one in findings.listed())
    return findings.totals


def test_rows_in_both_files_are_counted_however_often() -> None:
    rows = chat_rows(30)

    assert overlap([*rows[:20], rows[15]], [*rows[15:], rows[15]]) == {"overlap_train_eval": 6}


def test_other_columns_make_no_other_row() -> None:
    rows = chat_rows(30)

    shared = [{"id": 7, **row} for row in rows[:2]]
    assert overlap(rows[:20], [*shared, *rows[20:]]) == {"overlap_train_eval": 2}


def test_the_same_file_twice_is_all_of_it() -> None:
    assert overlap(chat_rows(), chat_rows()) == {"overlap_train_eval": 12}


def test_two_files_apart_are_fine() -> None:
    rows = chat_rows(30)

    assert overlap(rows[:15], rows[15:]) == {}
