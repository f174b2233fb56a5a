"""``wrong_type_for_method``: conversations hold no preference, and the other way round."""

from typing import Any

import pytest

from datasets.for_training import Training, fit_of
from tests.builders import chat_rows, json_lines, make_dataset
from tests.datasets.findings.broken import preference_rows

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("rows", "method", "serves"),
    [
        (chat_rows(), "dpo", "sft"),
        (chat_rows(), "orpo", "sft"),
        (preference_rows(), "sft", "dpo, orpo"),
    ],
)
def test_data_of_another_kind(rows: list[Any], method: str, serves: str) -> None:
    dataset = make_dataset(content=json_lines(rows))

    fit = fit_of(dataset, Training(method, max_length=1024))

    (finding,) = fit.errors
    assert (finding["code"], finding["field"]) == ("wrong_type_for_method", "method")
    assert finding["fix"].endswith(f"serves: {serves}.")


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_data_of_its_kind_is_fine(method: str) -> None:
    dataset = make_dataset(content=json_lines(preference_rows()))

    assert fit_of(dataset, Training(method, max_length=1024)).findings.totals == {}


def test_evaluation_data_of_another_kind() -> None:
    evaluation = make_dataset(content=json_lines(preference_rows()))

    fit = fit_of(make_dataset(), Training("sft", max_length=1024, evaluation=evaluation))

    (finding,) = fit.errors
    assert (finding["code"], finding["field"]) == ("wrong_type_for_method", "eval.dataset_id")
