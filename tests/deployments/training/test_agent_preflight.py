"""What the agent checks and fetches before training: machine, packages, data, model."""

import time

import pytest

from tests.deployments.training.runs import ROWS, Run


def test_a_stand_in_is_not_compared_with_the_machine_it_stands_for(run: Run) -> None:
    run.job["expected"] = {"vram_gib": 80, "architecture": "arm64"}
    run.add_training("save_adapter()")

    assert run.result()["outcome"] == "completed"


def test_a_stand_in_is_refused_where_cpu_machines_are_not_allowed(run: Run) -> None:
    """F31."""
    run.job["allow_cpu"] = False

    exit_event = run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == ("E_NO_GPU", True)
    assert exit_event["outcome"] == "failed"


def test_a_stand_in_says_so_in_the_environment_event(run: Run) -> None:
    run.add_training("save_adapter()")

    run.result()

    first, second = run.events("environment")
    assert first["cpu_stand_in"] is True
    assert second["cpu_stand_in"] is True
    assert second["versions"]["python"].startswith("3.")
    assert f"pytest=={pytest.__version__}" in second["freeze"]


GPU = "0, NVIDIA A10, 570.148.08, 8.6, 23028, 400, 97, 61, 143.20"
WRONG = [
    ("exit 9", {}, "E_NO_GPU"),
    ("true", {}, "E_NO_GPU"),
    (f"echo '{GPU}'", {"gpu_count": 2}, "E_WRONG_GPU"),
    (f"echo '{GPU}'", {"vram_gib": 40}, "E_WRONG_GPU"),
    (f"echo '{GPU}'", {"architecture": "arm64"}, "E_WRONG_GPU"),
]


@pytest.mark.parametrize(("smi", "expected", "code"), WRONG)
def test_F31_F32_a_machine_that_is_not_what_was_rented_is_told_within_preflight(
    run: Run, smi: str, expected: dict[str, object], code: str
) -> None:
    """F31, F32."""
    (run.home / ".slipway-cpu-stand-in").unlink()
    run.add_program("nvidia-smi", smi)
    run.job["expected"].update(expected)

    run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == (code, True)
    assert run.phases() == ["preflight"]


def test_F31_a_gpu_that_torch_cannot_use_is_no_gpu(run: Run) -> None:
    """F31: nvidia-smi looks well, CUDA does not work."""
    (run.home / ".slipway-cpu-stand-in").unlink()
    run.add_program("nvidia-smi", f"echo '{GPU}'")
    run.job["expected"]["vram_gib"] = 24
    run.job["limits"]["torch_tries"] = 1

    run.result()

    (error,) = run.events("error")
    assert error["code"] == "E_NO_GPU"
    assert "torch" in error["message"]


def test_F35_a_disk_too_small_is_told_with_the_numbers(run: Run) -> None:
    """F35."""
    run.job["dataset"]["size_bytes"] = 10**15

    run.result()

    (error,) = run.events("error")
    assert error["code"] == "E_DISK"
    assert "GiB free; the run needs 1862645" in error["message"]


def test_clocks_that_differ_are_noted(run: Run) -> None:
    """F78."""
    run.job["issued_at"] = time.time() + 600
    run.add_training("save_adapter()")

    run.result()

    assert any("behind the control plane's" in event["text"] for event in run.events("log"))


def test_F33_a_failing_install_is_tried_three_times_and_its_last_words_are_told(run: Run) -> None:
    """F33."""
    run.write("bootstrap.sh", "echo try >> tries; echo 'pip: no route to host' >&2; exit 1\n")

    run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == ("E_INSTALL", True)
    assert "no route to host" in error["message"]
    assert (run.folder / "tries").read_text().count("try") == 3


def test_F33_an_install_that_cannot_work_is_not_tried_again(run: Run) -> None:
    run.write(
        "bootstrap.sh",
        "echo try >> tries; echo SLIPWAY_FAILURE=Too old.; echo SLIPWAY_REMEDY=Renew.; exit 3\n",
    )

    run.result()

    (error,) = run.events("error")
    assert (error["code"], error["remedy"], error["retryable"]) == ("E_INSTALL", "Renew.", False)
    assert "Too old." in error["message"]
    assert (run.folder / "tries").read_text().count("try") == 1


def test_F37_data_that_is_not_the_chosen_data_ends_the_run(run: Run) -> None:
    """F37, I14."""
    run.write("data/dataset.jsonl", ROWS + b"\n")

    exit_event = run.result()

    assert exit_event["error_code"] == "E_DATA_CHANGED"
    assert "train" not in run.phases()


def test_a_missing_base_model_is_told(run: Run) -> None:
    (run.folder / "base_model" / "config.json").unlink()

    exit_event = run.result()

    assert exit_event["error_code"] == "E_CONFIG"
    assert "base model" in run.events("error")[0]["message"]
