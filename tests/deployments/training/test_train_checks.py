"""What train.py checks in its first second, before anything heavy is imported."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import train_checks
from agent_failures import RunFailedError
from deployments import recipes
from tests.deployments.training.runs import HYPERPARAMETERS, make_job

CHAT_ROW = {
    "messages": [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]
}

PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}
CHAT_PAIR = {
    "prompt": [{"role": "user", "content": "1 + 1?"}],
    "chosen": [{"role": "assistant", "content": "2"}],
    "rejected": [{"role": "assistant", "content": "3"}],
}
GOOD: dict[str, object] = {
    "chat": CHAT_ROW,
    "prompt_completion": {"prompt": "a", "completion": "b"},
    "text": {"text": "a"},
    "preference": PAIR,
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


@pytest.mark.parametrize(
    ("method", "form", "told"),
    [
        ("grpo", "chat", "'grpo' is not known"),
        ("dpo", "chat", "dpo cannot be trained on data of the form chat"),
        ("sft", "preference", "sft cannot be trained on data of the form preference"),
    ],
)
def test_a_method_that_is_unknown_or_not_the_datas_is_refused(
    method: str, form: str, told: str
) -> None:
    made = job()
    made["recipe"]["method"] = method
    made["dataset"]["format"] = form

    with pytest.raises(RunFailedError, match=told):
        train_checks.hyperparameters(made)


@pytest.mark.parametrize("method", recipes.METHODS)
def test_what_the_control_plane_freezes_is_taken_on_the_machine(method: str) -> None:
    made = make_job()
    made["recipe"].update(method=method, hyperparameters=recipes.defaults_of(method))
    made["dataset"]["format"] = "chat" if method == "sft" else "preference"

    settings = train_checks.hyperparameters(made)

    assert settings.items() >= recipes.defaults_of(method).items()


def test_packing_pairs_is_refused() -> None:
    """Trap 7.8: packing is for SFT alone."""
    made = make_job()
    made["recipe"].update(method="dpo", hyperparameters=recipes.defaults_of("dpo"))
    made["recipe"]["hyperparameters"]["packing"] = True
    made["dataset"]["format"] = "preference"

    with pytest.raises(RunFailedError, match="packing"):
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
        ({"text": ""}, "text"),
        ({"text": None}, "text"),
        ({**PAIR, "rejected": ""}, "preference"),
        ({**PAIR, "rejected": None}, "preference"),
        ({**PAIR, "rejected": [{"role": "assistant", "content": "c"}]}, "preference"),
        ({**CHAT_PAIR, "chosen": []}, "preference"),
        ({**CHAT_PAIR, "chosen": [{"role": "user", "content": "c"}]}, "preference"),
        ({**CHAT_PAIR, "chosen": [{"role": "gpt", "content": "c"}]}, "preference"),
    ],
)
def test_a_row_that_cannot_be_trained_on_is_named_by_its_line(
    tmp_path: Path, row: object, form: str
) -> None:
    path = write_rows(tmp_path, GOOD[form], row)

    with pytest.raises(RunFailedError, match="Line 2") as caught:
        train_checks.read_rows(path, form=form)

    assert caught.value.code == "E_DATA"


@pytest.mark.parametrize(
    ("rows", "form"),
    [
        ([{"text": "a"}], "text"),
        ([PAIR, CHAT_PAIR], "preference"),
    ],
)
def test_rows_of_every_form_are_read_as_they_are(
    tmp_path: Path, rows: list[object], form: str
) -> None:
    assert train_checks.read_rows(write_rows(tmp_path, *rows), form=form) == rows


def test_pairs_that_are_no_choice_are_counted_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trap 7.5: DPO trains on them without complaint, and learns nothing."""
    told: list[str] = []
    monkeypatch.setattr(train_checks, "say", lambda _level, text: told.append(text))

    train_checks.mind_pairs([PAIR, {**PAIR, "rejected": "b"}])
    train_checks.mind_pairs([PAIR])

    assert told == ["In 1 of 2 rows chosen and rejected are the same: they teach nothing."]


def test_the_rows_held_back_are_those_the_job_names() -> None:
    rows = [{"text": str(number)} for number in range(5)]
    made = make_job()
    made["dataset"]["eval_rows"] = [3, 1]

    train, held_back = train_checks.divided(rows, made, folder=Path())

    assert [row["text"] for row in held_back] == ["1", "3"]
    assert [row["text"] for row in train] == ["0", "2", "4"]


@pytest.mark.parametrize("numbers", [[5], [-1], [0, 1, 2, 3, 4]])
def test_numbers_that_are_no_split_of_the_rows_are_refused(numbers: list[int]) -> None:
    rows = [{"text": str(number)} for number in range(5)]
    made = make_job()
    made["dataset"]["eval_rows"] = numbers

    with pytest.raises(RunFailedError, match="held back"):
        train_checks.divided(rows, made, folder=Path())


def test_a_file_of_its_own_to_evaluate_with_leaves_all_rows_to_train_on(tmp_path: Path) -> None:
    rows = [{"text": f"{number}"} for number in range(5)]
    (tmp_path / "eval.jsonl").write_text('{"text": "apart"}\n')
    made = {"recipe": {}, "dataset": {"format": "text", "eval_file": "eval.jsonl"}}

    train, evaluation = train_checks.divided(rows, made, folder=tmp_path)

    assert (train, evaluation) == (rows, [{"text": "apart"}])


@pytest.mark.parametrize(
    ("at_once", "accumulation", "processes", "shared"),
    [
        (2, 8, 1, (2, 8)),
        (2, 8, 8, (2, 1)),
        (8, 1, 2, (4, 1)),
        (4, 3, 2, (3, 2)),
        (6, 2, 4, (3, 1)),
        (3, 1, 2, (3, 1)),
    ],
)
def test_a_step_holds_as_many_rows_on_many_cards_wherever_it_can_be_shared(
    at_once: int, accumulation: int, processes: int, shared: tuple[int, int]
) -> None:
    settings = {
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": accumulation,
    }

    assert train_checks.shared_batch(settings, processes=processes) == shared


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([], False),
        ([3.0, 2.0, 1.0], False),
        ([3.0, 3.0, 3.0], True),
        ([3.0, 2.995, 2.99], True),
        ([3.0, 3.1, 2.0], False),
        ([3.0, 3.1, 3.2], True),
        ([3.0, float("nan"), float("nan")], True),
    ],
)
def test_a_run_stops_early_when_no_loss_falls_by_the_threshold(
    losses: list[float], *, stops: bool
) -> None:
    """Any improvement, however small, would count without one (training-stack.md section 5)."""
    assert train_checks.no_longer_better(losses, patience=2, threshold=0.01) is stops


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
