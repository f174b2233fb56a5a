"""``no_trainable_tokens``: a question that fills max_length leaves nothing to learn (trap 7.1)."""

from pathlib import Path

import pytest

from datasets.for_training import Training, fit_of
from tests.builders import json_lines, make_dataset
from tests.datasets.models import model_in

pytestmark = pytest.mark.django_db


def asked(words: int, number: int) -> dict[str, str]:
    """Return a question of so many words and a short answer."""
    return {"prompt": f"{number} " + "word " * (words - 1), "completion": "Yes."}


def test_every_row_is_an_error(tmp_path: Path) -> None:
    dataset = make_dataset(content=json_lines([asked(40, number) for number in range(12)]))

    fit = fit_of(dataset, Training("sft", max_length=32, tokenizer=model_in(tmp_path)))

    (finding,) = fit.errors
    assert (finding["code"], finding["field"]) == ("no_trainable_tokens", "max_length")
    assert fit.findings.totals == {"no_trainable_tokens": 12}
    assert "Raise max_length to 64" in finding["fix"]


def test_some_rows_are_a_warning_that_they_are_left_out(tmp_path: Path) -> None:
    rows = [asked(40 if number < 3 else 5, number) for number in range(12)]
    dataset = make_dataset(content=json_lines(rows))

    fit = fit_of(dataset, Training("sft", max_length=32, tokenizer=model_in(tmp_path)))

    assert fit.errors == []
    assert fit.findings.totals == {"no_trainable_tokens": 3}
    assert "left out" in fit.findings.listed()[0]["fix"]


def test_one_token_is_enough(tmp_path: Path) -> None:
    dataset = make_dataset(content=json_lines([asked(31, number) for number in range(12)]))

    fit = fit_of(dataset, Training("sft", max_length=32, tokenizer=model_in(tmp_path)))

    assert "no_trainable_tokens" not in fit.findings.totals


def test_where_every_token_is_learnt_no_row_is_empty(tmp_path: Path) -> None:
    dataset = make_dataset(content=json_lines([asked(40, number) for number in range(12)]))
    training = Training("sft", max_length=32, tokenizer=model_in(tmp_path), answers_only=False)

    fit = fit_of(dataset, training)

    assert fit.errors == []
    assert set(fit.findings.totals) == {"over_max_length"}
