"""What train.py checks in its first second, before anything heavy is imported."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import train_checks
from agent_failures import RunFailedError
from tests.deployments.training.runs import HYPERPARAMETERS, make_job

CHAT_ROW = {
    "messages": [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]
}


def job(**changes: object) -> dict[str, Any]:
    made = make_job()
    made["recipe"] = {**made["recipe"], "hyperparameters": {**HYPERPARAMETERS, **changes}}
    return made


def write_rows(folder: Path, *rows: object) -> Path:
    path = folder / "dataset.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_checks_import_nothing_heavy() -> None:
    assert not {"torch", "transformers", "trl"} & set(sys.modules)


def test_a_whole_recipe_passes() -> None:
    assert train_checks.hyperparameters(job())["lora_r"] == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lora_r", 0),
        ("lora_alpha", True),
        ("learning_rate", float("nan")),
        ("learning_rate", "2e-4"),
        ("max_steps", 0),
        ("num_train_epochs", -1),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(RunFailedError, match=name) as caught:
        train_checks.hyperparameters(job(**{name: value}))

    assert caught.value.code == "E_CONFIG"


def test_a_missing_setting_is_named() -> None:
    made = job()
    del made["recipe"]["hyperparameters"]["max_length"]

    with pytest.raises(RunFailedError, match="max_length is missing"):
        train_checks.hyperparameters(made)


def test_another_method_is_refused() -> None:
    made = job()
    made["recipe"]["method"] = "dpo"

    with pytest.raises(RunFailedError, match="dpo"):
        train_checks.hyperparameters(made)


def test_rows_are_read_without_what_training_does_not_use(tmp_path: Path) -> None:
    path = write_rows(tmp_path, {**CHAT_ROW, "id": 7})

    assert train_checks.read_rows(path, form="chat") == [CHAT_ROW]


@pytest.mark.parametrize(
    ("row", "form"),
    [
        ([], "chat"),
        ({"prompt": "a", "completion": "b"}, "chat"),
        ({"messages": []}, "chat"),
        ({"messages": [{"role": "user", "content": "a"}]}, "chat"),
        ({"messages": [{"role": "human", "content": "a"}]}, "chat"),
        ({"messages": [{"role": "assistant", "content": None}]}, "chat"),
        (CHAT_ROW, "prompt_completion"),
        ({"prompt": "a", "completion": ""}, "prompt_completion"),
        ({"prompt": None, "completion": "b"}, "prompt_completion"),
    ],
)
def test_a_row_that_cannot_be_trained_on_is_named_by_its_line(
    tmp_path: Path, row: object, form: str
) -> None:
    good = CHAT_ROW if form == "chat" else {"prompt": "a", "completion": "b"}
    path = write_rows(tmp_path, good, row)

    with pytest.raises(RunFailedError, match="Line 2") as caught:
        train_checks.read_rows(path, form=form)

    assert caught.value.code == "E_DATA"


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="no rows"):
        train_checks.read_rows(write_rows(tmp_path), form="chat")


def test_the_same_seed_holds_back_the_same_rows() -> None:
    rows = [{"prompt": str(number)} for number in range(100)]

    train, held_back = train_checks.split_rows(rows, share=0.1, seed=3)

    assert (train, held_back) == train_checks.split_rows(rows, share=0.1, seed=3)
    assert held_back != train_checks.split_rows(rows, share=0.1, seed=4)[1]
    assert len(held_back) == 10
    assert sorted(map(str, train + held_back)) == sorted(map(str, rows))


@pytest.mark.parametrize(
    ("rows", "share", "held_back"), [(10, 0.0, 0), (1, 0.5, 0), (2, 0.5, 1), (3, 0.01, 1)]
)
def test_a_share_holds_back_at_least_one_row_but_never_the_last(
    rows: int, share: float, held_back: int
) -> None:
    data = [{"prompt": str(number)} for number in range(rows)]

    assert len(train_checks.split_rows(data, share=share, seed=1)[1]) == held_back


@pytest.mark.parametrize(
    ("rows", "changes", "steps"),
    [
        (100, {"max_steps": 7}, 7),
        (100, {"max_steps": None}, 13),
        (101, {"max_steps": None, "gradient_accumulation_steps": 4, "num_train_epochs": 2}, 8),
        (1, {"max_steps": None, "num_train_epochs": 0.5}, 1),
    ],
)
def test_steps_are_counted_as_trainer_counts_them(
    rows: int, changes: dict[str, object], steps: int
) -> None:
    assert train_checks.total_steps(rows, {**HYPERPARAMETERS, **changes}) == steps


def test_a_run_is_evaluated_about_ten_times_unless_asked_otherwise() -> None:
    assert train_checks.steps_between_evaluations(200, asked=None) == 20
    assert train_checks.steps_between_evaluations(3, asked=None) == 1
    assert train_checks.steps_between_evaluations(200, asked=7) == 7


def test_a_very_long_run_logs_no_more_than_a_chart_can_show() -> None:
    """F41: what the machine keeps is bounded."""
    assert train_checks.steps_between_logs(1000, asked=1) == 1
    assert train_checks.steps_between_logs(1_000_001, asked=1) == 51
    assert train_checks.steps_between_logs(1_000_000, asked=100) == 100
