"""Starting from an earlier adapter: its own files, its own numbers, and its own reference."""

import hashlib
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

import train_adapter
from agent_failures import RunFailedError
from tests.deployments.training.runs import Run, training_machine, use_method
from tests.deployments.training.test_resume import told
from tests.deployments.virtual.agent import safetensors

NAMES = ("adapter_model.safetensors", "adapter_config.json")


def described(folder: Path) -> list[dict[str, Any]]:
    """Return the adapter's two files as a job names them."""
    contents = {name: (folder / name).read_bytes() for name in NAMES}
    return [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    ]


def test_files_that_are_not_those_of_the_job_are_refused_before_anything_heavy(
    tmp_path: Path,
) -> None:
    (tmp_path / NAMES[0]).write_bytes(safetensors())
    (tmp_path / NAMES[1]).write_text("{}")
    files = described(tmp_path)

    train_adapter.check(tmp_path, {"files": files})
    for wrong in ([], [{**files[0], "sha256": "0" * 64}], [{**files[0], "name": "other.json"}]):
        with pytest.raises(RunFailedError) as refused:
            train_adapter.check(tmp_path, {"files": wrong})
        assert refused.value.code == "E_CHECKPOINT"


def set_up(run: Run, *, adapter: Path | None, steps: int) -> None:
    use_method(
        run,
        "dpo",
        learning_rate=1e-3,
        max_steps=steps,
        save_steps=3,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=1,
    )
    run.job["recipe"]["eval"] = {"share": 0.1, "steps": 3, "samples": 1}
    if adapter is not None:
        shutil.copytree(adapter, run.folder / train_adapter.FOLDER)
        run.job["recipe"]["adapter"] = {"files": described(adapter), "name": "sums"}


@pytest.mark.full
def test_dpo_measures_against_the_adapter_it_starts_from_also_after_a_resume(
    tmp_path: Path,
) -> None:
    with training_machine(tmp_path / "first", data="preference.jsonl", rows=100) as run:
        set_up(run, adapter=None, steps=3)
        assert run.result()["outcome"] == "completed", run.events("error")
        shutil.copytree(run.folder / "output" / "adapter", tmp_path / "adapter")

    with training_machine(tmp_path / "unbroken", data="preference.jsonl", rows=100) as run:
        set_up(run, adapter=tmp_path / "adapter", steps=6)
        assert run.result()["outcome"] == "completed", run.events("error")
        whole = told(run)
        checkpoint = next(e for e in run.events("checkpoint") if e["step"] == 3)
        for file in checkpoint["files"]:
            target = tmp_path / "home" / file["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.folder / "output" / file["name"], target)
        # The adapter's own answer before the first step, since it is not the base model's.
        assert [event.get("step") for event in run.events("sample")] == [None, 0, 3, 6]

    with training_machine(tmp_path / "second", data="preference.jsonl", rows=100) as run:
        set_up(run, adapter=tmp_path / "adapter", steps=6)
        run.job["resume_from"] = "checkpoint-3"
        shutil.copytree(tmp_path / "home", run.folder / "output")
        assert run.result()["outcome"] == "completed", run.events("error")
        resumed = told(run)

    # Nothing is preferred to the reference yet: it is the adapter itself.
    assert whole["eval/loss", 0] == pytest.approx(math.log(2), abs=1e-6)
    assert resumed == {key: value for key, value in whole.items() if key[1] > 3}
