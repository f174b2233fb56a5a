"""Each method of training, for real: train.py under the agent, on the sample model."""

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
