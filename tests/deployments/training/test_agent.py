"""The agent in real processes, with a train.py of ours in the place of the real one."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.training.runs import ROWS, Run, fake_machine, machine, make_job


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with fake_machine(tmp_path / "home") as run:
        yield run


def add_training(run: Run, script: str) -> None:
    """Append to the fake train.py, which has its helpers already."""
    run.write("train.py", (run.folder / "train.py").read_text() + script)


def phases(run: Run) -> list[str]:
    return [event["phase"] for event in run.events("phase")]


def test_a_run_passes_every_phase_and_ends_with_one_exit_event(run: Run) -> None:
    add_training(run, "save_adapter()")

    exit_event = run.result()

    assert phases(run) == [
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
    add_training(run, "for n in range(50): print('line', n)\nsave_adapter()")

    run.result()

    assert [event["seq"] for event in run.events()] == list(range(1, len(run.events()) + 1))
    assert (run.folder / "run.jsonl").stat().st_mode & 0o077 == 0


def test_metrics_of_the_training_reach_the_log_with_null_for_what_is_not_finite(run: Run) -> None:
    """F42."""
    add_training(
        run,
        "tell('metrics', step=1, total_steps=2, epoch=0.5, values={'train/loss': float('nan')})\n"
        "save_adapter()",
    )

    run.result()

    (metrics,) = run.events("metrics")
    assert metrics["values"] == {"train/loss": None}
    assert (metrics["step"], metrics["total_steps"], metrics["epoch"]) == (1, 2, 0.5)


def test_training_cannot_forge_numbers_or_an_exit_event(run: Run) -> None:
    add_training(
        run,
        "tell('exit', outcome='completed', has_adapter=True)\n"
        "tell('progress', step=1, seq=999)\nsys.exit(1)",
    )

    exit_event = run.result()

    assert exit_event["outcome"] == "failed"
    assert len(run.events("exit")) == 1
    assert max(event["seq"] for event in run.events()) == len(run.events())


def test_output_becomes_log_lines_without_progress_bars(run: Run) -> None:
    add_training(
        run,
        "sys.stdout.write('loading\\r 45%|####   | 9/20 [00:01<00:02, 5.1it/s]\\rloaded\\n')\n"
        "print('UserWarning: odd', file=sys.stderr)\nsave_adapter()",
    )

    run.result()

    lines = {e["text"]: e["level"] for e in run.events("log") if e["source"] == "train"}
    assert lines == {"loading": "info", "loaded": "info", "UserWarning: odd": "warning"}
    assert b"45%" in (run.folder / "train.log").read_bytes()


def test_a_flood_of_output_is_bounded_in_the_run_log_and_whole_in_the_file(run: Run) -> None:
    add_training(run, "for n in range(5000): print('flood', n)\nsave_adapter()")

    run.result()

    told = [event for event in run.events("log") if event["source"] == "train"]
    assert 100 <= len(told) < 1000
    assert (run.folder / "train.log").read_bytes().count(b"flood") == 5000


def test_heartbeats_tell_the_figures_of_the_machine(run: Run) -> None:
    run.add_program(
        "nvidia-smi", "echo '0, NVIDIA A10, 570.148.08, 8.6, 23028, 400, 97, 61, 143.20'"
    )
    run.job["heartbeat_seconds"] = 0.1
    add_training(run, "time.sleep(0.4)\nsave_adapter()")

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


def test_a_stop_lets_the_training_save_and_end_by_itself(run: Run) -> None:
    add_training(
        run,
        "print('training')\nwait_for_stop()\nsave_adapter()\nsys.exit(10)",
    )

    run.start()
    run.wait_for_event("log", text="training")
    run.write("control/stop", "stop\n")
    exit_event = run.wait_for_exit()

    assert exit_event["outcome"] == "stopped"
    assert exit_event["has_adapter"] is True
    assert run.events("error") == []


def test_a_training_that_ignores_a_stop_is_ended_with_everything_it_started(run: Run) -> None:
    add_training(
        run,
        "import subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '60'])\nsave_adapter('output/checkpoint-7')\n"
        "Path('output/checkpoint-7/trainer_state.json').write_text('{}')\n"
        "print('training')\ntime.sleep(60)",
    )
    run.job["limits"]["save_seconds"] = 0.2

    run.start()
    run.wait_for_event("log", text="training")
    run.write("control/stop", "stop\n")
    exit_event = run.wait_for_exit()

    assert exit_event["outcome"] == "stopped"
    assert exit_event["has_adapter"] is True, "the newest checkpoint is the adapter"
    assert run.processes() == []


def test_what_a_training_leaves_running_ends_with_it(run: Run) -> None:
    """T3: nothing goes on computing on a machine whose run is told to be over."""
    add_training(run, "import subprocess\nsubprocess.Popen(['sleep', '60'])\nsave_adapter()")

    exit_event = run.result()

    assert exit_event["outcome"] == "completed"
    assert run.processes() == []


def test_a_stop_before_the_training_ends_the_run_at_once(run: Run) -> None:
    run.write("bootstrap.sh", "echo installing; sleep 60\n")

    run.start()
    run.wait_for_event("log", text="installing")
    run.write("control/stop", "stop\n")
    exit_event = run.wait_for_exit()

    assert exit_event["outcome"] == "stopped"
    assert exit_event["has_adapter"] is False
    assert "train" not in phases(run)
    assert run.processes() == []


def test_the_agent_ends_the_run_at_its_own_deadline_as_if_it_were_stopped(run: Run) -> None:
    """F54: with the control plane away, nobody else would."""
    run.job["deadline_seconds"] = 1.0
    add_training(run, "wait_for_stop()\nsave_adapter()\nsys.exit(10)")

    exit_event = run.result()

    assert exit_event["outcome"] == "stopped"
    assert exit_event["error_code"] == "E_MAX_HOURS"
    assert exit_event["has_adapter"] is True
    (error,) = run.events("error")
    assert "max_hours" in error["remedy"]


def test_a_signal_to_the_agent_lands_the_run_safely(run: Run) -> None:
    add_training(
        run,
        "print('training')\nwait_for_stop()\nsave_adapter()\nsys.exit(10)",
    )

    pid = run.start()
    run.wait_for_event("log", text="training")
    os.kill(pid, signal.SIGTERM)
    exit_event = run.wait_for_exit()

    assert (exit_event["outcome"], exit_event["has_adapter"]) == ("stopped", True)
    assert (exit_event["error_code"], run.events("error")[0]["retryable"]) == (
        "E_MACHINE_STOPPING",
        True,
    )


def test_a_stand_in_is_not_compared_with_the_machine_it_stands_for(run: Run) -> None:
    run.job["expected"] = {"gpu_count": 8, "vram_gib": 80, "architecture": "arm64"}
    add_training(run, "save_adapter()")

    assert run.result()["outcome"] == "completed"


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
    ("raise RuntimeError('CUDA error: device-side assert triggered')", "E_TRAINING", False, ""),
    ("raise OSError(28, 'No space left on device')", "E_DISK", False, ""),
    ("os.kill(os.getpid(), signal.SIGKILL)", "E_KILLED", False, "more memory"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", "E_CUDA", True, ""),
]


@pytest.mark.parametrize(
    ("script", "code", "retryable", "advice"), CRASHES, ids=[script for script, *_ in CRASHES]
)
def test_each_way_training_can_end_has_its_code_and_a_remedy(
    run: Run, script: str, code: str, retryable: bool, advice: str
) -> None:
    """F45, F46."""
    add_training(run, script)

    exit_event = run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == (code, retryable)
    assert advice in error["remedy"]
    assert exit_event["outcome"] == "failed"
    assert exit_event["error_code"] == code
    assert exit_event["has_adapter"] is False
    assert exit_event["exit_code"] > 0


def test_the_own_words_of_a_failing_training_are_passed_on(run: Run) -> None:
    add_training(
        run,
        "tell('failure', code='E_DATA', message='Line 3: odd.', remedy='Mend it.', "
        "retryable=False)\nsys.exit(21)",
    )

    run.result()

    (error,) = run.events("error")
    assert (error["message"], error["remedy"]) == ("Line 3: odd.", "Mend it.")


def test_a_run_killed_for_memory_says_how_much_there_was(run: Run) -> None:
    add_training(run, "os.kill(os.getpid(), signal.SIGKILL)")

    run.result()

    assert "GiB of memory used" in run.events("error")[0]["message"]


def test_after_a_failure_the_newest_sound_checkpoint_becomes_the_adapter(run: Run) -> None:
    """F47, F51: one with NaN weights and one cut in writing are passed over."""
    add_training(
        run,
        "save_adapter('output/checkpoint-10', base='/home/x/base_model')\n"
        "save_adapter('output/checkpoint-20', value=float('nan'))\n"
        "save_adapter('output/checkpoint-30')\n"
        "for n in (10, 20): Path(f'output/checkpoint-{n}/trainer_state.json').write_text('{}')\n"
        "sys.exit(23)",
    )

    exit_event = run.result()

    assert exit_event["has_adapter"] is True
    assert exit_event["outcome"] == "failed"
    adapter = run.folder / "output" / "adapter"
    assert sorted(path.name for path in adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "local:slipway-sample"


def test_the_manifest_lists_weights_first_and_never_a_pickle(run: Run) -> None:
    add_training(run, "save_adapter()")

    run.result()

    manifest = json.loads((run.folder / "manifest.json").read_text())
    names = [file["name"] for file in manifest["files"]]
    assert names == [
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "adapter/README.md",
    ]
    for file in manifest["files"]:
        assert (run.folder / "output" / file["name"]).stat().st_size == file["size"]
        assert len(file["sha256"]) == 64


@pytest.mark.parametrize(
    "script",
    ["pass", "save_adapter(value=float('nan'))", "Path('output/adapter').mkdir()"],
    ids=["nothing saved", "weights not finite", "an empty folder"],
)
def test_a_run_without_a_usable_adapter_did_not_complete(run: Run, script: str) -> None:
    """F59."""
    add_training(run, script)

    exit_event = run.result()

    assert exit_event["outcome"] == "failed"
    assert exit_event["error_code"] == "E_NO_ADAPTER"
    assert exit_event["has_adapter"] is False
    assert not (run.folder / "manifest.json").exists()


def test_a_stand_in_is_refused_where_cpu_machines_are_not_allowed(run: Run) -> None:
    """F31."""
    run.job["allow_cpu"] = False

    exit_event = run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == ("E_NO_GPU", True)
    assert exit_event["outcome"] == "failed"


def test_a_stand_in_says_so_in_the_environment_event(run: Run) -> None:
    add_training(run, "save_adapter()")

    run.result()

    first, second = run.events("environment")
    assert first["cpu_stand_in"] is True
    assert second["cpu_stand_in"] is True
    assert second["versions"]["python"].startswith("3.")


GPU = "0, NVIDIA A10, 570.148.08, 8.6, 23028, 400, 97, 61, 143.20"
WRONG = [
    ("exit 9", {}, "E_NO_GPU"),
    ("true", {}, "E_NO_GPU"),
    (f"echo '{GPU}'", {"gpu_count": 2}, "E_WRONG_GPU"),
    (f"echo '{GPU}'", {"vram_gib": 40}, "E_WRONG_GPU"),
    (f"echo '{GPU}'", {"architecture": "arm64"}, "E_WRONG_GPU"),
]


@pytest.mark.parametrize(("smi", "expected", "code"), WRONG)
def test_a_machine_that_is_not_what_was_rented_is_told_within_preflight(
    run: Run, smi: str, expected: dict[str, object], code: str
) -> None:
    """F31, F32."""
    (run.home / ".slipway-cpu-stand-in").unlink()
    run.add_program("nvidia-smi", smi)
    run.job["expected"].update(expected)

    run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == (code, True)
    assert phases(run) == ["preflight"]


def test_a_gpu_that_torch_cannot_use_is_no_gpu(run: Run) -> None:
    """F31: nvidia-smi looks well, CUDA does not work."""
    (run.home / ".slipway-cpu-stand-in").unlink()
    run.add_program("nvidia-smi", f"echo '{GPU}'")
    run.job["expected"]["vram_gib"] = 24
    run.job["limits"]["torch_tries"] = 1

    run.result()

    (error,) = run.events("error")
    assert error["code"] == "E_NO_GPU"
    assert "torch" in error["message"]


def test_a_disk_too_small_is_told_with_the_numbers(run: Run) -> None:
    """F35."""
    run.job["dataset"]["size_bytes"] = 10**15

    run.result()

    (error,) = run.events("error")
    assert error["code"] == "E_DISK"
    assert "GiB free; the run needs 1862645" in error["message"]


def test_clocks_that_differ_are_noted(run: Run) -> None:
    """F78."""
    run.job["issued_at"] = time.time() + 600
    add_training(run, "save_adapter()")

    run.result()

    assert any("behind the control plane's" in event["text"] for event in run.events("log"))


def test_a_failing_install_is_tried_three_times_and_its_last_words_are_told(run: Run) -> None:
    """F33."""
    run.write("bootstrap.sh", "echo try >> tries; echo 'pip: no route to host' >&2; exit 1\n")

    run.result()

    (error,) = run.events("error")
    assert (error["code"], error["retryable"]) == ("E_INSTALL", True)
    assert "no route to host" in error["message"]
    assert (run.folder / "tries").read_text().count("try") == 3


def test_an_install_that_cannot_work_is_not_tried_again(run: Run) -> None:
    run.write(
        "bootstrap.sh",
        "echo try >> tries; echo SLIPWAY_FAILURE=Too old.; echo SLIPWAY_REMEDY=Renew.; exit 3\n",
    )

    run.result()

    (error,) = run.events("error")
    assert (error["code"], error["remedy"], error["retryable"]) == ("E_INSTALL", "Renew.", False)
    assert "Too old." in error["message"]
    assert (run.folder / "tries").read_text().count("try") == 1


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


def test_data_that_is_not_the_chosen_data_ends_the_run(run: Run) -> None:
    """F37, I14."""
    run.write("data/dataset.jsonl", ROWS + b"\n")

    exit_event = run.result()

    assert exit_event["error_code"] == "E_DATA_CHANGED"
    assert "train" not in phases(run)


def test_a_missing_base_model_is_told(run: Run) -> None:
    (run.folder / "base_model" / "config.json").unlink()

    exit_event = run.result()

    assert exit_event["error_code"] == "E_CONFIG"
    assert "base model" in run.events("error")[0]["message"]


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
