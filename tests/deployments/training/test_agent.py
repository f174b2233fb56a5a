"""The agent in real processes, with a train.py of ours in the place of the real one."""

import sys
from pathlib import Path

from tests.deployments.training.runs import ROWS, Run, machine, make_job


def test_a_run_passes_every_phase_and_ends_with_one_exit_event(run: Run) -> None:
    run.add_training("save_adapter()")

    exit_event = run.result()

    assert run.phases() == [
        "preflight",
        "install",
        "download_data",
        "train",
        "save",
        "finished",
    ]
    assert exit_event["outcome"] == "completed"
    assert exit_event["exit_code"] == 0
    assert exit_event["has_adapter"] is True
    assert run.events()[-1] == exit_event
    assert len(run.events("exit")) == 1


def test_the_numbers_of_the_run_log_have_no_gaps_and_its_lines_are_not_readable_by_others(
    run: Run,
) -> None:
    run.add_training("for n in range(50): print('line', n)\nsave_adapter()")

    run.result()

    assert [event["seq"] for event in run.events()] == list(range(1, len(run.events()) + 1))
    assert (run.folder / "run.jsonl").stat().st_mode & 0o077 == 0


def test_metrics_of_the_training_reach_the_log_with_null_for_what_is_not_finite(run: Run) -> None:
    """F42."""
    run.add_training(
        "tell('metrics', step=1, total_steps=2, epoch=0.5, values={'train/loss': float('nan')})\n"
        "save_adapter()",
    )

    run.result()

    (metrics,) = run.events("metrics")
    assert metrics["values"] == {"train/loss": None}
    assert (metrics["step"], metrics["total_steps"], metrics["epoch"]) == (1, 2, 0.5)


def test_training_cannot_forge_numbers_or_an_exit_event(run: Run) -> None:
    run.add_training(
        "tell('exit', outcome='completed', has_adapter=True)\n"
        "tell('progress', step=1, seq=999)\nsys.exit(1)",
    )

    exit_event = run.result()

    assert exit_event["outcome"] == "failed"
    assert len(run.events("exit")) == 1
    assert max(event["seq"] for event in run.events()) == len(run.events())


def test_output_becomes_log_lines_without_progress_bars(run: Run) -> None:
    run.add_training(
        "sys.stdout.write('loading\\r 45%|####   | 9/20 [00:01<00:02, 5.1it/s]\\rloaded\\n')\n"
        "print('UserWarning: odd', file=sys.stderr)\nsave_adapter()",
    )

    run.result()

    lines = {e["text"]: e["level"] for e in run.events("log") if e["source"] == "train"}
    assert lines == {"loading": "info", "loaded": "info", "UserWarning: odd": "warning"}
    assert b"45%" in (run.folder / "train.log").read_bytes()


def test_a_flood_of_output_is_bounded_in_the_run_log_and_whole_in_the_file(run: Run) -> None:
    run.add_training("for n in range(5000): print('flood', n)\nsave_adapter()")

    run.result()

    told = [event for event in run.events("log") if event["source"] == "train"]
    assert 100 <= len(told) < 1000
    assert (run.folder / "train.log").read_bytes().count(b"flood") == 5000


def test_heartbeats_tell_the_figures_of_the_machine(run: Run) -> None:
    run.add_program(
        "nvidia-smi", "echo '0, NVIDIA A10, 570.148.08, 8.6, 23028, 400, 97, 61, 143.20'"
    )
    run.job["heartbeat_seconds"] = 0.1
    run.add_training("time.sleep(0.4)\nsave_adapter()")

    run.result()

    heartbeats = run.events("heartbeat")
    newest = heartbeats[-1]
    assert len(heartbeats) >= 3
    assert 0 < newest["memory_used_bytes"] < newest["memory_total_bytes"]
    assert 0 < newest["disk_free_bytes"] < newest["disk_total_bytes"]
    assert 0 <= newest["cpu_percent"] <= 100
    assert newest["gpus"] == [
        {
            "index": 0,
            "name": "NVIDIA A10",
            "driver_version": "570.148.08",
            "compute_cap": "8.6",
            "memory_total_mib": 23028,
            "memory_used_mib": 400,
            "utilization_percent": 97,
            "temperature_celsius": 61,
            "power_watts": 143.2,
        }
    ]


def test_a_broken_job_file_still_ends_in_an_exit_event(tmp_path: Path) -> None:
    with machine(tmp_path / "home", python=Path(sys.executable), job={}) as run:
        exit_event = run.result()

        assert exit_event["error_code"] == "E_CONFIG"
        assert "deadline_seconds" in run.events("error")[0]["message"]


def test_no_fault_inside_the_agent_ends_it_without_a_word(run: Run) -> None:
    """A module that fails where nobody expects it stands for all of them."""
    agent_data = (run.folder / "agent_data.py").read_text()
    run.write(
        "agent_data.py", agent_data.replace("def sha256_of(", "def sha256_of(*a): 1 / 0\ndef _(")
    )

    exit_event = run.result()

    assert exit_event["outcome"] == "failed"
    (error,) = run.events("error")
    assert error["code"] == "E_AGENT"
    assert "ZeroDivisionError" in error["message"]


def test_the_download_token_appears_in_no_file_but_the_job(run: Run) -> None:
    """I17, T16."""
    secret = "tok-3f9a8c"
    run.job = make_job(
        dataset={**run.job["dataset"], "url": f"http://127.0.0.1:9/x?token={secret}"}
    )
    (run.folder / "data" / "dataset.jsonl").unlink()

    run.start()
    run.wait_for_event("request", request="dataset")
    run.write("data/dataset.jsonl", ROWS)
    run.wait_for_exit()

    holding = [
        path.name
        for path in run.folder.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert holding == ["job.json"]
