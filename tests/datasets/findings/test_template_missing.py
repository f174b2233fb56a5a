"""``template_missing``: a base model without chat template cannot read conversations (trap 7.6)."""

from pathlib import Path
from typing import Any

import pytest

from datasets.for_training import Training, fit_of
from tests.builders import json_lines, make_dataset
from tests.datasets.findings.broken import BAD, GOOD, USER, preference_rows
from tests.datasets.models import model_in

pytestmark = pytest.mark.django_db


def test_conversations_need_one(tmp_path: Path) -> None:
    tokenizer = model_in(tmp_path, template=None)

    (finding,) = fit_of(make_dataset(), Training("sft", 1024, tokenizer)).errors

    assert (finding["code"], finding["field"]) == ("template_missing", "base_model")


def test_so_do_preferences_between_messages(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": [{**USER, "content": f"{number}?"}],
            "chosen": [GOOD],
            "rejected": [BAD],
        }
        for number in range(12)
    ]
    dataset = make_dataset(content=json_lines(rows))

    fit = fit_of(dataset, Training("dpo", 1024, model_in(tmp_path, template=None)))

    assert [one["code"] for one in fit.errors] == ["template_missing"]


@pytest.mark.parametrize(
    ("rows", "method"),
    [
        ([{"prompt": f"{n}?", "completion": "Yes."} for n in range(12)], "sft"),
        ([{"text": f"Text {n}"} for n in range(12)], "sft"),
        (preference_rows(), "dpo"),
    ],
)
def test_plain_texts_need_none(tmp_path: Path, rows: list[Any], method: str) -> None:
    tokenizer = model_in(tmp_path, template=None)

    fit = fit_of(make_dataset(content=json_lines(rows)), Training(method, 1024, tokenizer))

    assert fit.findings.totals == {}


def test_a_template_that_refuses_the_conversations_is_told_in_its_own_words(tmp_path: Path) -> None:
    tokenizer = model_in(tmp_path, template="{{ raise_exception('No system role here') }}")

    (finding,) = fit_of(make_dataset(), Training("sft", 1024, tokenizer)).errors

    assert finding["code"] == "template_refuses"
    assert "No system role here" in finding["message"]
