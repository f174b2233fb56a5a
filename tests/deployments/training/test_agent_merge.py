"""Merging on request: after the adapter is whole and listed, and never a reason to fail."""

import json

import pytest

from tests.deployments.training.runs import Run

MERGES = """
import json, sys
from pathlib import Path
assert json.loads(Path("manifest.json").read_text())["files"], "the adapter is listed first"
folder = Path("output/merged")
folder.mkdir()
(folder / "model.safetensors").write_bytes(b"merged")
(folder / "config.json").write_text("{}")
"""


@pytest.fixture(autouse=True)
def _asked(run: Run) -> None:
    run.job["recipe"] = {**run.job["recipe"], "export": {"merged": True}}
    run.add_training("save_adapter()")


def notes(run: Run) -> str:
    return " ".join(event["text"] for event in run.events("log"))


def test_a_merged_model_is_made_after_the_adapter_and_listed_apart(run: Run) -> None:
    run.write("merge_model.py", MERGES)

    exit_event = run.result()

    assert (exit_event["outcome"], exit_event["merge"]) == ("completed", "made")
    assert run.phases()[-3:] == ["save", "merge", "finished"]
    names = [file["name"] for file in json.loads((run.folder / "merged.json").read_text())["files"]]
    assert names == ["merged/config.json", "merged/model.safetensors"]


def test_one_that_fails_is_told_and_the_run_is_completed(run: Run) -> None:
    run.write("merge_model.py", "raise MemoryError('no room')")

    exit_event = run.result()

    assert (exit_event["outcome"], exit_event["error_code"]) == ("completed", "")
    assert (exit_event["has_adapter"], exit_event["merge"]) == (True, "left")
    assert "The merged model is not made" in notes(run)
    assert "MemoryError" in notes(run)
    assert not (run.folder / "merged.json").exists()


def test_one_that_hangs_is_ended(run: Run) -> None:
    run.write("merge_model.py", "import time; time.sleep(600)")
    run.job["limits"]["merge_seconds"] = 0.3

    exit_event = run.result()

    assert (exit_event["outcome"], exit_event["merge"]) == ("completed", "left")
    assert "merge took more than" in notes(run)


def test_a_stop_ends_it_at_once_and_the_training_stays_completed(run: Run) -> None:
    run.write("merge_model.py", "import time; time.sleep(600)")
    run.start()
    run.wait_for_event("phase", phase="merge")

    run.write("control/stop", "stop\n")
    exit_event = run.wait_for_exit()

    assert (exit_event["outcome"], exit_event["merge"]) == ("completed", "left")


def test_nobody_asked_and_nothing_is_merged(run: Run) -> None:
    run.job["recipe"] = {**run.job["recipe"], "export": {"merged": False}}

    exit_event = run.result()

    assert exit_event["merge"] == ""
    assert "merge" not in run.phases()
