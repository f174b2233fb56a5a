"""Several processes on one machine train as one does: real torchrun, gloo on the CPU."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import agent_children
import agent_crash
import checkpoint_files
from agent_failures import STOPPED
from tests.deployments.training.runs import Run, fake_machine, training_machine, use_method

STEPS = 8
SETTINGS = {
    "max_steps": STEPS,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "learning_rate": 2e-3,
    "max_length": 256,
}


@contextmanager
def two_cards(home: Path) -> Iterator[Run]:
    """Yield a machine on which two processes stand in for two cards."""
    with training_machine(home, rows=100) as run:
        run.job["expected"]["gpu_count"] = 2
        run.job["recipe"]["eval"] = {"share": 0.2, "steps": 4}
        use_method(run, "sft", **SETTINGS)
        yield run


def losses(run: Run, name: str) -> list[Any]:
    return [event["values"][name] for event in run.events("metrics") if name in event["values"]]


@pytest.mark.full
def test_two_processes_lose_what_one_does_with_the_same_rows_a_step(tmp_path: Path) -> None:
    with two_cards(tmp_path / "two") as run:
        run.job["recipe"]["eval"] = {**run.job["recipe"]["eval"], "samples": 2}
        assert run.result()["outcome"] == "completed", run.events("error")
        together = {name: losses(run, name) for name in ("train/loss", "eval/loss")}
        texts = [event["text"] for event in run.events("log")]
        assert any("4 rows at once x 1 batches x 2 = 8 rows a step, as on one" in t for t in texts)
        newest = run.folder / "output" / f"checkpoint-{STEPS}"
        assert checkpoint_files.is_whole(newest)
        assert {"rng_state_0.pth", "rng_state_1.pth"} <= {p.name for p in newest.iterdir()}
        # Told once, by the first.
        assert [event["step"] for event in run.events("checkpoint")] == [4, 8]
        assert len(together["train/loss"]) == STEPS
        # Answered by the first alone, while the other waits.
        steps = [event.get("step") for event in run.events("sample")]
        assert steps == [None, None, 4, 4, 8, 8]

    with two_cards(tmp_path / "one") as run:
        run.job["expected"]["gpu_count"] = 1
        assert run.result()["outcome"] == "completed", run.events("error")

        for name, told in together.items():
            assert told == pytest.approx(losses(run, name), rel=1e-5), name


@pytest.mark.full
def test_a_stop_reaches_both_at_the_same_step_and_leaves_an_adapter(tmp_path: Path) -> None:
    with two_cards(tmp_path / "home") as run:
        run.job["recipe"]["hyperparameters"]["max_steps"] = 20_000
        run.start()
        run.wait_for_event("metrics", step=2)

        run.write("control/stop", "stop\n")
        exit_event = run.wait_for_exit()

        assert (exit_event["outcome"], exit_event["has_adapter"]) == ("stopped", True)
        assert exit_event["exit_code"] == STOPPED
        assert run.processes() == []


@pytest.mark.full
def test_one_that_is_killed_ends_all_with_its_own_reason(tmp_path: Path) -> None:
    with two_cards(tmp_path / "home") as run:
        run.job["recipe"]["hyperparameters"]["max_steps"] = 20_000
        run.start()
        run.wait_for_event("metrics", step=2)

        os.kill(second_of(run), signal.SIGKILL)
        exit_event = run.wait_for_exit()

        # Whichever is noticed first: that one is gone, or that the other one lost it.
        assert exit_event["error_code"] in ("E_KILLED", "E_NCCL")
        run.wait_for(lambda: not run.processes(), what="the end of both")


def second_of(run: Run) -> int:
    """Return the pid of the second process that trains."""
    found = [
        pid
        for pid in run.processes()
        if b"RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ]
    return min(found)


def test_alone_nothing_is_launched_by_torchrun() -> None:
    assert agent_children.train_command("python", processes=1) == ["python", "train.py"]


def test_each_card_that_was_rented_gets_a_process() -> None:
    command = agent_children.train_command("python", processes=8)

    assert command[:4] == ["python", "-m", "torch.distributed.run", "--standalone"]
    assert command[-3:] == ["--nproc-per-node", "8", "train.py"]


@pytest.mark.parametrize(
    ("expected", "stand_in", "processes"),
    [({}, False, 1), ({"gpu_count": 8}, False, 8), ({"gpu_count": 1}, True, 1)],
)
def test_there_are_as_many_processes_as_cards(
    expected: dict[str, int], *, stand_in: bool, processes: int
) -> None:
    facts = {"cpu_stand_in": stand_in}

    assert agent_children.processes_of({"expected": expected}, facts) == processes


def test_a_stand_in_has_no_more_processes_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    job = {"expected": {"gpu_count": 8}}

    assert agent_children.processes_of(job, {"cpu_stand_in": True}) == 3


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (("E_OOM", "E_NCCL"), "E_OOM"),
        (("E_NCCL", "E_OOM"), "E_OOM"),
        (("E_NAN", "E_OOM"), "E_NAN"),
    ],
)
def test_that_contact_was_lost_follows_from_another_failure(
    tmp_path: Path, told: tuple[str, ...], kept: str
) -> None:
    script = "import payload_events as e\n" + "".join(
        f"e.tell('failure', code='{code}', message='', remedy='', retryable=False)\n"
        for code in told
    )
    with fake_machine(tmp_path / "home", train=script + "sys.exit(1)\n") as run:
        assert run.result()["error_code"] == kept


def test_what_a_process_answers_is_told_past_torchrun(tmp_path: Path) -> None:
    """It answers 1 whatever they answer."""
    script = "import payload_events as e\nsave_adapter()\ne.tell('ended', status=10)\nsys.exit(1)\n"
    with fake_machine(tmp_path / "home", train=script) as run:
        exit_event = run.result()

    assert (exit_event["outcome"], exit_event["exit_code"]) == ("stopped", 10)


def test_the_reason_of_a_process_stands_in_what_torchrun_reports() -> None:
    tail = ["  exitcode  : 1 (pid: 8)", "Root Cause (first observed failure):"]
    tail += ["  rank      : 1 (local_rank: 1)", "  exitcode  : -9 (pid: 9)"]

    found = agent_crash.explain_exit(1, tail=tail, job={}, machine={})

    assert found.code == "E_KILLED"
    assert "SIGKILL" in found.message
