"""Each method of training, for real: train.py under the agent, on the sample model."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.lifecycle.collecting import check_safetensors
from tests.deployments.training.runs import Run, training_machine, use_method

# The sample model learns by large steps only.
QUICK = {"max_steps": 16, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}
REWARDS = ("chosen", "rejected", "margins", "accuracies")


def values(run: Run, name: str) -> list[tuple[int, Any]]:
    return [
        (event["step"], event["values"][name])
        for event in run.events("metrics")
        if name in event["values"]
    ]


def texts(run: Run) -> list[str]:
    return [event["text"] for event in run.events("log")]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with training_machine(tmp_path / "home", data="preference.jsonl", rows=120) as run:
        run.job["recipe"]["eval"] = {"share": 0.1, "steps": 8}
        yield run


@pytest.mark.full
@pytest.mark.parametrize(("method", "rate"), [("dpo", 1e-3), ("orpo", 5e-3)])
def test_preferences_lower_the_eval_loss_and_tell_rewards(
    run: Run, method: str, rate: float
) -> None:
    use_method(run, method, learning_rate=rate, lora_dropout=0.05, **QUICK)

    exit_event = run.result()

    assert exit_event["outcome"] == "completed", run.events("error")
    losses = [loss for _, loss in values(run, "eval/loss")]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    for name in REWARDS:
        assert [step for step, _ in values(run, f"eval/rewards/{name}")] == [0, 8, 16]
        assert len(values(run, f"train/rewards/{name}")) == 16
    assert values(run, "eval/rewards/margins")[-1][1] > 0
    assert values(run, "eval/rewards/accuracies")[-1][1] > 0.5
    for name in ("train/loss", "train/grad_norm", "train/learning_rate", "train/tokens"):
        assert len(values(run, name)) == 16
    check_safetensors(run.folder / "output" / "adapter")


@pytest.mark.full
def test_prompts_and_completions_lower_the_eval_loss_of_the_completions(tmp_path: Path) -> None:
    with training_machine(tmp_path / "home", data="prompt-completion.jsonl", rows=160) as run:
        run.job["recipe"]["eval"] = {"share": 0.1, "steps": 12}
        use_method(run, "sft", **QUICK | {"max_steps": 24, "learning_rate": 5e-3})

        exit_event = run.result()

        assert exit_event["outcome"] == "completed", run.events("error")
        losses = [loss for _, loss in values(run, "eval/loss")]
        assert losses[-1] < losses[0]
        assert "The loss is taken of the completions." in texts(run)


@pytest.mark.full
@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_pairs_without_room_for_an_answer_are_left_out_counted_and_make_no_nan(
    tmp_path: Path, method: str
) -> None:
    """Trap 7.1: ORPO would train on them, log a loss of 0.0 and save an adapter full of NaN."""
    with training_machine(tmp_path / "home", data="preference.jsonl", rows=40) as run:
        long = {"prompt": "How many? " * 60, "chosen": "Two.", "rejected": "Three."}
        add_rows(run, long, long)
        run.job["recipe"]["eval"] = {"share": 0.1, "steps": 4}
        use_method(run, method, **QUICK | {"max_steps": 4, "max_length": 100})
        run.job["dataset"]["eval_rows"] = [0, 1, 2]

        exit_event = run.result()

        assert exit_event["outcome"] == "completed", run.events("error")
        assert any(text.startswith("2 of 39 rows are left out") for text in texts(run))
        told = [value for event in run.events("metrics") for value in event["values"].values()]
        assert None not in told
        assert 0.0 not in [loss for _, loss in values(run, "train/loss")]
        check_safetensors(run.folder / "output" / "adapter")


@pytest.mark.full
def test_conversational_pairs_are_read_through_the_template_and_refused_without_one(
    tmp_path: Path,
) -> None:
    """Trap 7.6; and where nothing fits, the numbers say how much would."""
    with training_machine(tmp_path / "home", data="preference.jsonl", rows=30) as run:
        make_conversational(run)
        use_method(run, "orpo", **QUICK | {"max_steps": 2, "max_length": 16})

        exit_event = run.result()

        assert exit_event["error_code"] == "E_DATA"
        (error,) = run.events("error")
        assert "none of the 27 rows keeps a token to train on" in error["message"]
        assert "Raise max_length from 16 to" in error["remedy"]


@pytest.mark.full
def test_qlora_trains_an_adapter_in_full_precision_on_a_base_in_4_bit(run: Run) -> None:
    use_method(run, "dpo", learning_rate=1e-3, load_in_4bit=True, **QUICK)

    exit_event = run.result()

    assert exit_event["outcome"] == "completed", run.events("error")
    losses = [loss for _, loss in values(run, "eval/loss")]
    assert losses[-1] < losses[0]
    assert adapter_types(run) == {"F32"}


@pytest.mark.full
def test_packed_rows_train_and_stay_apart(tmp_path: Path) -> None:
    """Trap 7.8."""
    with training_machine(tmp_path / "home", rows=200) as run:
        run.job["recipe"]["eval"] = {"share": 0.1, "steps": 6}
        settings = QUICK | {"max_steps": 12, "max_length": 512, "learning_rate": 5e-3}
        use_method(run, "sft", packing=True, **settings)

        exit_event = run.result()

        assert exit_event["outcome"] == "completed", run.events("error")
        losses = [loss for _, loss in values(run, "eval/loss")]
        assert losses[-1] < losses[0]
        assert any(text.startswith("Packed rows stay apart") for text in texts(run))
        assert any(text.startswith("180 rows are packed into ") for text in texts(run))


@pytest.mark.full
def test_a_run_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    """Trained on until it is worse: the adapter is that of the best evaluation, kept meanwhile."""
    with training_machine(tmp_path / "home", rows=40) as run:
        run.job["recipe"]["eval"] = {"share": 0.5, "steps": 2}
        settings = QUICK | {"max_steps": 60, "learning_rate": 0.05}
        early = {
            "load_best_model_at_end": True,
            "early_stopping_patience": 3,
            "early_stopping_threshold": 0.01,
        }
        use_method(run, "sft", lr_scheduler_type="constant", **settings, **early)

        exit_event = run.result()

        assert exit_event["outcome"] == "completed", run.events("error")
        losses = dict(values(run, "eval/loss"))
        best = min((step for step in losses if step), key=lambda step: losses[step])
        assert max(losses) < 60
        assert any(text.startswith(f"Stopping early at step {max(losses)} ") for text in texts(run))
        assert any(text.startswith(f"The best is step {best},") for text in texts(run))
        output = run.folder / "output"
        assert weights_of(output / "adapter") == weights_of(output / f"checkpoint-{best}")


def weights_of(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def adapter_types(run: Run) -> set[str]:
    content = weights_of(run.folder / "output" / "adapter")
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return {tensor["dtype"] for name, tensor in header.items() if name != "__metadata__"}


def rows_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_data(run).splitlines()]


def read_data(run: Run) -> str:
    return (run.folder / "data" / "dataset.jsonl").read_text()


def write_data(run: Run, rows: list[dict[str, Any]]) -> None:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    run.write("data/dataset.jsonl", content)
    run.job["dataset"].update(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def add_rows(run: Run, *rows: dict[str, Any]) -> None:
    write_data(run, [*rows_of(run), *rows])


def make_conversational(run: Run) -> None:
    write_data(
        run,
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "chosen": [{"role": "assistant", "content": row["chosen"]}],
                "rejected": [{"role": "assistant", "content": row["rejected"]}],
            }
            for row in rows_of(run)
        ],
    )
