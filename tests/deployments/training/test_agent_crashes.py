"""Each way a real training process can end has its code and a remedy (F45, F46)."""

import pytest

from tests.deployments.training.runs import Run

CRASHES = [
    ("sys.exit(20)", "E_CONFIG", False, ""),
    ("sys.exit(21)", "E_DATA", False, ""),
    ("sys.exit(22)", "E_OOM", False, "from 8 to 4"),
    ("sys.exit(23)", "E_NAN", False, "from 0.002 to 0.0002"),
    ("sys.exit(24)", "E_CUDA", True, "another region"),
    ("sys.exit(25)", "E_DISK", False, "larger disk"),
    ("sys.exit(26)", "E_HF_ACCESS", False, ""),
    ("raise ValueError('odd')", "E_TRAINING", False, "log"),
    ("raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')", "E_OOM", False, ""),
    ("raise RuntimeError('CUDA error: unspecified launch failure')", "E_CUDA", True, ""),
    ("raise RuntimeError('CUDA error: device-side assert triggered')", "E_CUDA_KERNEL", False, ""),
    ("raise OSError(28, 'No space left on device')", "E_DISK", False, ""),
    ("os.kill(os.getpid(), signal.SIGKILL)", "E_KILLED", False, "more memory"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", "E_CRASH", False, "shows where"),
]


@pytest.mark.parametrize(
    ("script", "code", "retryable", "advice"), CRASHES, ids=[script for script, *_ in CRASHES]
)
def test_each_way_training_can_end_has_its_code_and_a_remedy(
    run: Run, script: str, code: str, retryable: bool, advice: str
) -> None:
    """F45, F46."""
    run.add_training(script)

    exit_event = run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == (code, retryable)
    assert advice in error["remedy"]
    assert exit_event["outcome"] == "failed"
    assert exit_event["error_code"] == code
    assert exit_event["has_adapter"] is False
    assert exit_event["exit_code"] > 0


def test_the_own_words_of_a_failing_training_are_passed_on(run: Run) -> None:
    run.add_training(
        "tell('failure', code='E_DATA', message='Line 3: odd.', remedy='Mend it.', "
        "retryable=False)\nsys.exit(21)",
    )

    run.result()

    (error,) = run.events("error")
    assert (error["message"], error["remedy"]) == ("Line 3: odd.", "Mend it.")


def test_a_run_killed_for_memory_says_how_much_there_was(run: Run) -> None:
    run.add_training("os.kill(os.getpid(), signal.SIGKILL)")

    run.result()

    assert "GiB of memory used" in run.events("error")[0]["message"]
