"""``over_max_length``: how many rows, what is lost of them, and whether cut or left out."""

import re
from pathlib import Path
from typing import Any

import pytest

from datasets.for_training import Training, fit_of
from tests.builders import chat_rows, json_lines, make_dataset
from tests.datasets.models import model_in

pytestmark = pytest.mark.django_db


def answered(words: int, number: int = 0) -> dict[str, Any]:
    """Return a conversation whose answer has so many words."""
    answer = f"{number} " + "word " * (words - 1)
    return {
        "messages": [
            {"role": "user", "content": "Say it."},
            {"role": "assistant", "content": answer.strip()},
        ]
    }


def test_rows_and_lost_tokens_are_counted_exactly_with_the_models_tokeniser(tmp_path: Path) -> None:
    rows = [*(answered(10, number) for number in range(20)), answered(27, 1), answered(58, 2)]
    dataset = make_dataset(content=json_lines(rows))

    fit = fit_of(dataset, Training("sft", max_length=32, tokenizer=model_in(tmp_path)))

    # Six tokens for question and frames: 33 and 64 are over 32.
    (finding,) = fit.findings.listed()
    assert (finding["code"], finding["severity"]) == ("over_max_length", "warning")
    assert fit.findings.totals == {"over_max_length": 2}
    # Lengths are kept in buckets: 33 at most a thirty-second off.
    assert re.search(r"tokens are lost \(3[2-4]\)", finding["fix"])
    assert "Cut at the end" in finding["fix"]
    assert "A max length of 64" in finding["fix"]
    assert "estimate" not in finding["message"]


def test_without_the_tokeniser_it_is_an_estimate_and_says_so() -> None:
    dataset = make_dataset(content=json_lines([*chat_rows(), answered(100)]))

    fit = fit_of(dataset, Training("sft", max_length=64))

    assert fit.findings.totals == {"over_max_length": 1}
    assert "by our estimate" in fit.findings.listed()[0]["message"]


def test_a_preference_row_is_left_out_whole() -> None:
    rows = [
        {"prompt": f"{number}?", "chosen": "Yes.", "rejected": "No. " * (1 if number else 200)}
        for number in range(12)
    ]
    dataset = make_dataset(content=json_lines(rows))

    fit = fit_of(dataset, Training("dpo", max_length=64))

    assert fit.findings.totals == {"over_max_length": 1}
    assert "left out" in fit.findings.listed()[0]["fix"]


def test_what_fits_is_fine() -> None:
    assert fit_of(make_dataset(), Training("sft", max_length=64)).findings.totals == {}
