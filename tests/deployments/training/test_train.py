"""Real fine-tuning: the real train.py under the real agent, on the sample base model."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import checkpoint_files
from deployments.lifecycle.collecting import ALLOWED_NAME, check_safetensors
from tests.deployments.training.runs import Run, training_machine
from tests.trainer import sample_model, trainer_python

LOAD_WITH_PEFT = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base, adapter, row = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(adapter)
text = tokenizer.apply_chat_template(json.loads(row)["messages"], return_tensors="pt")
model = AutoModelForCausalLM.from_pretrained(base)
ids = text["input_ids"]
with torch.no_grad():
    before = model(input_ids=ids, labels=ids).loss.item()
    model = PeftModel.from_pretrained(model, adapter)
    after = model(input_ids=ids, labels=ids).loss.item()
print(json.dumps({"before": before, "after": after}))
"""


def settings(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = dict(run.job["recipe"]["hyperparameters"])
    run.job["recipe"] = {**run.job["recipe"], "hyperparameters": found}
    return found


def values(run: Run, name: str) -> list[tuple[int, Any]]:
    return [
        (event["step"], event["values"][name])
        for event in run.events("metrics")
        if name in event["values"]
    ]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with training_machine(tmp_path / "home") as run:
        yield run


@pytest.mark.full
def test_a_run_on_conversations_lowers_the_eval_loss_and_leaves_an_adapter_peft_loads(
    run: Run,
) -> None:
    settings(run)["max_steps"] = 40

    exit_event = run.result()

    assert exit_event["outcome"] == "completed", run.events("error")
    losses = values(run, "eval/loss")
    steps = [step for step, _ in losses]
    assert (steps[0], steps[-1], len(steps)) == (0, 40, 11)
    assert losses[-1][1] < 0.7 * losses[0][1]
    check_metrics(run)
    check_checkpoints(run)
    check_adapter(run)
    told = [event["text"] for event in run.events("log")]
    assert re.fullmatch(r"Step 1: loss \d\.\d+\.", next(t for t in told if t.startswith("Step")))
    assert sum(text.startswith("Evaluated at step ") for text in told) == 11
    assert sum(text.startswith("Saved checkpoint ") for text in told) == 10


def check_metrics(run: Run) -> None:
    assert [step for step, _ in values(run, "train/loss")] == list(range(1, 41))
    for name in ("train/learning_rate", "train/grad_norm", "train/tokens"):
        assert len(values(run, name)) == 40
    # From the second count on.
    speeds = values(run, "train/tokens_per_second")
    assert [step for step, _ in speeds] == list(range(2, 41))
    assert min(speed for _, speed in speeds) > 0
    learning_rates = [rate for _, rate in values(run, "train/learning_rate")]
    assert learning_rates[0] < learning_rates[2] == pytest.approx(2e-3, rel=0.01)
    last = run.events("metrics")[-1]
    assert (last["step"], last["total_steps"]) == (40, 40)
    assert last["epoch"] == pytest.approx(40 * 8 / 360)


def check_checkpoints(run: Run) -> None:
    """I11, F51: told once they are whole, and only the newest are kept."""
    told = run.events("checkpoint")
    assert [event["step"] for event in told] == list(range(4, 41, 4))
    assert told[-1]["path"] == "output/checkpoint-40"
    names = [file["name"] for file in told[-1]["files"]]
    assert names[:2] == [
        "checkpoint-40/adapter_model.safetensors",
        "checkpoint-40/adapter_config.json",
    ]
    assert names[-1] == "checkpoint-40/manifest.json"
    assert {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} < {
        Path(name).name for name in names
    }
    assert not any(name.endswith((".bin", "README.md")) for name in names)
    kept = sorted(path for path in (run.folder / "output").glob("checkpoint-*"))
    assert [path.name for path in kept] == ["checkpoint-36", "checkpoint-40"]
    assert all(checkpoint_files.is_whole(path) for path in kept)


def check_adapter(run: Run) -> None:
    """F59, with the control plane's own checks."""
    adapter = run.folder / "output" / "adapter"
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert all(ALLOWED_NAME.fullmatch(file["name"]) for file in manifest["files"])
    assert manifest["files"][0]["name"] == "adapter/adapter_model.safetensors"
    check_safetensors(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (8, 16)
    assert config["base_model_name_or_path"] == "local:slipway-sample"
    assert not list(adapter.glob("README.md"))
    assert not list(adapter.glob("*.bin"))
    row = (run.folder / "data" / "dataset.jsonl").read_text().splitlines()[0]
    done = subprocess.run(  # noqa: S603
        [str(trainer_python()), "-c", LOAD_WITH_PEFT, str(sample_model()), str(adapter), row],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    losses = json.loads(done.stdout.splitlines()[-1])
    assert losses["after"] < losses["before"]


@pytest.mark.full
def test_a_loss_that_is_not_finite_ends_the_run_with_advice(tmp_path: Path) -> None:
    """F47: the last good checkpoint is kept, and is the adapter.

    Of the rows, those that lose all they teach are left out and counted.
    """
    with training_machine(tmp_path / "home", data="prompt-completion.jsonl") as run:
        settings(run).update(learning_rate=1e30, max_steps=200, max_length=32, logging_steps=1)
        settings(run).update(save_steps=1)

        exit_event = run.result()

        assert exit_event["error_code"] == "E_NAN"
        assert exit_event["has_adapter"] is True, "the first step warms up, and changes little"
        (error,) = run.events("error")
        assert "learning_rate" in error["remedy"]
        assert None in [value for _, value in values(run, "train/loss")]
        assert run.events("metrics")[-1]["step"] < 10
        texts = [event["text"] for event in run.events("log")]
        assert any("rows are left out" in text and "max_length 32" in text for text in texts)


def test_a_stop_in_the_middle_leaves_an_adapter_and_a_wish_to_save_a_checkpoint(run: Run) -> None:
    settings(run).update(max_steps=20_000, save_steps=19_000)
    run.job["recipe"]["eval"] = {"share": 0.05, "steps": 20_000}

    run.start()
    run.wait_for_event("metrics", step=2)
    run.write("control/save", "save\n")
    run.wait_for(lambda: run.events("checkpoint"), what="the checkpoint")
    run.write("control/stop", "stop\n")
    exit_event = run.wait_for_exit()

    assert (exit_event["outcome"], exit_event["has_adapter"]) == ("stopped", True)
    assert 2 <= run.events("checkpoint")[0]["step"] < 10_000
    assert not (run.folder / "control" / "save").exists()
    check_safetensors(run.folder / "output" / "adapter")


@pytest.mark.full
def test_rows_that_all_lose_what_they_teach_are_refused_with_the_numbers(tmp_path: Path) -> None:
    with training_machine(tmp_path / "home", data="prompt-completion.jsonl", rows=50) as run:
        settings(run)["max_length"] = 16

        exit_event = run.result()

        assert exit_event["error_code"] == "E_DATA"
        (error,) = run.events("error")
        assert "none of the 45 rows" in error["message"]
        assert "Raise max_length from 16 to" in error["remedy"]
        assert not (run.folder / "output" / "adapter").exists()


@pytest.mark.full
def test_a_run_whose_agent_and_training_were_killed_goes_on_from_its_last_checkpoint(
    run: Run,
) -> None:
    """F52: the same losses as an unbroken run, and no step trained twice from the start."""
    settings(run)["max_steps"] = 60
    pid = run.start()
    run.wait_for(lambda: len(run.events("checkpoint")) == 2, what="two checkpoints")
    for process in run.processes():
        os.kill(process, signal.SIGKILL)
    run.wait_for(lambda: not run.processes(), what="the end of the agent")

    assert run.start() != pid
    exit_event = run.wait_for_exit()

    assert exit_event["outcome"] == "completed", run.events("error")
    texts = [event["text"] for event in run.events("log")]
    assert any(text.startswith("Going on from checkpoint-") for text in texts)
    steps = [step for step, _ in values(run, "train/loss")]
    assert steps.count(1) == 1
    assert steps[-1] == 60
    assert [event["seq"] for event in run.events()] == list(range(1, len(run.events()) + 1))


@pytest.mark.full
@pytest.mark.parametrize(
    ("template", "advice"),
    [(None, "prompt/completion"), ("{{ messages[0]['content'] }}", "assistant_only_loss to false")],
)
def test_a_base_model_that_cannot_read_conversations_is_told_with_the_way_out(
    run: Run, template: str | None, advice: str
) -> None:
    path = run.folder / "base_model" / "chat_template.jinja"
    path.unlink()
    if template is not None:
        path.write_text(template)

    exit_event = run.result()

    assert exit_event["error_code"] == "E_DATA"
    assert advice in run.events("error")[0]["remedy"]


@pytest.mark.full
def test_a_recipe_without_evaluation_and_with_named_modules_trains(run: Run) -> None:
    settings(run).update(target_modules=["q_proj", "v_proj"], max_steps=4, lora_r=2)
    run.job["recipe"]["eval"] = {"share": 0.0, "steps": None}

    exit_event = run.result()

    assert exit_event["outcome"] == "completed", run.events("error")
    assert values(run, "eval/loss") == []
    config = json.loads((run.folder / "output" / "adapter" / "adapter_config.json").read_text())
    assert sorted(config["target_modules"]) == ["q_proj", "v_proj"]
    shutil.rmtree(run.folder / "output")
