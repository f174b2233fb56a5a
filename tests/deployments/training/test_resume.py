"""A run that is broken off and goes on, on another machine, is the run that it would have been."""

import hashlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.training.runs import Run, training_machine

STEPS, SAVED_EVERY = 24, 4
# Told at each step, and no matter of how fast the machine is.
METRICS = ("train/loss", "train/grad_norm", "train/learning_rate", "train/tokens", "eval/loss")


def told(run: Run) -> dict[tuple[str, int], Any]:
    """Return each metric at each step as the run log tells it."""
    return {
        (name, event["step"]): event["values"][name]
        for event in run.events("metrics")
        for name in METRICS
        if name in event["values"]
    }


def set_up(run: Run) -> None:
    found = {**run.job["recipe"]["hyperparameters"], "lora_dropout": 0.1}
    run.job["recipe"] = {
        **run.job["recipe"],
        "hyperparameters": {**found, "max_steps": STEPS, "save_steps": SAVED_EVERY},
        "eval": {"share": 0.1, "steps": 8},
    }


def weights_of(run: Run) -> str:
    content = (run.folder / "output" / "adapter" / "adapter_model.safetensors").read_bytes()
    return hashlib.sha256(content).hexdigest()


def unbroken(home: Path) -> tuple[dict[tuple[str, int], Any], str]:
    with training_machine(home) as run:
        set_up(run)
        assert run.result()["outcome"] == "completed", run.events("error")
        return told(run), weights_of(run)


def broken(home: Path, *, brought_to: Path) -> tuple[dict[tuple[str, int], Any], dict[str, Any]]:
    """Kill a run in the middle; return what it told, and its last checkpoint, brought away."""
    with training_machine(home) as run:
        set_up(run)
        run.start()
        run.wait_for(lambda: len(run.events("checkpoint")) >= 2, what="two checkpoints")
        for process in run.processes():
            os.kill(process, signal.SIGKILL)
        run.wait_for(lambda: not run.processes(), what="the end of the agent")
        newest = run.events("checkpoint")[-1]
        # The files that were told, and nothing else: so they are brought home and away again.
        for file in newest["files"]:
            target = brought_to / file["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.folder / "output" / file["name"], target)
        return told(run), newest


@pytest.mark.full
def test_F49_a_run_broken_at_a_checkpoint_ends_on_another_machine_as_if_it_never_was(
    tmp_path: Path,
) -> None:
    whole, adapter = unbroken(tmp_path / "unbroken")
    first, checkpoint = broken(tmp_path / "broken", brought_to=tmp_path / "home")
    step = checkpoint["step"]
    assert SAVED_EVERY <= step < STEPS

    with training_machine(tmp_path / "second") as run:
        set_up(run)
        run.job["resume_from"] = f"checkpoint-{step}"
        shutil.copytree(tmp_path / "home", run.folder / "output")
        assert run.result()["outcome"] == "completed", run.events("error")
        second, resumed_adapter = told(run), weights_of(run)

    texts = [event["text"] for event in run.events("log")]
    assert f"Going on from checkpoint-{step}." in texts
    assert min(at for _, at in second) == step + 1
    # What the lost machine told after its last checkpoint is told again, the same.
    assert {**first, **second} == whole
    assert resumed_adapter == adapter


@pytest.mark.full
def test_F51_a_named_checkpoint_that_is_not_whole_is_refused_before_training(
    tmp_path: Path,
) -> None:
    with training_machine(tmp_path / "home") as run:
        run.job["resume_from"] = "checkpoint-8"
        (run.folder / "output" / "checkpoint-8").mkdir(parents=True)
        (run.folder / "output" / "checkpoint-8" / "trainer_state.json").write_text("{}")

        exit_event = run.result()

    assert exit_event["error_code"] == "E_CHECKPOINT"
    (error,) = run.events("error")
    assert "checkpoint-8" in error["message"]
    assert error["retryable"] is True
    assert run.events("metrics") == []
