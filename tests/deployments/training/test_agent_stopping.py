"""How the agent ends a run before it is done: asked, late, signalled, unwatched, or hanging."""

import os
import signal

from tests.deployments.training.runs import Run


def test_a_stop_lets_the_training_save_and_end_by_itself(run: Run) -> None:
    run.add_training(
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
    run.add_training(
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
    run.add_training("import subprocess\nsubprocess.Popen(['sleep', '60'])\nsave_adapter()")

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
    assert "train" not in run.phases()
    assert run.processes() == []


def test_the_agent_ends_the_run_at_its_own_deadline_as_if_it_were_stopped(run: Run) -> None:
    """F54: with the control plane away, nobody else would."""
    run.job["deadline_seconds"] = 1.0
    run.add_training("wait_for_stop()\nsave_adapter()\nsys.exit(10)")

    exit_event = run.result()

    assert exit_event["outcome"] == "stopped"
    assert exit_event["error_code"] == "E_MAX_HOURS"
    assert exit_event["has_adapter"] is True
    (error,) = run.events("error")
    assert "max_hours" in error["remedy"]


def test_a_signal_to_the_agent_lands_the_run_safely(run: Run) -> None:
    run.add_training(
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


def watched(run: Run, *, limit: float) -> None:
    """Let a training run under the dead-man's clock."""
    run.job["silence_limit_seconds"] = limit
    run.add_training("print('training')\nwait_for_stop()\nsave_adapter()\nsys.exit(10)")
    run.start()
    run.wait_for_event("log", text="training")


def test_a_run_that_nobody_looks_after_stops_saves_and_says_why(run: Run) -> None:
    """F43 from the machine's side: the dead-man."""
    watched(run, limit=0.6)

    exit_event = run.wait_for_exit()

    assert (exit_event["outcome"], exit_event["has_adapter"]) == ("stopped", True)
    assert exit_event["error_code"] == "E_CONTROL_SILENT"
    (error,) = run.events("error")
    assert "0.01 minutes" in error["message"]
    assert error["retryable"] is False
    assert (run.folder / "manifest.json").exists(), "kept for whoever comes back"
    assert run.processes() == [], "cheap from here on"


def test_a_look_begins_the_silence_anew(run: Run) -> None:
    run.job["heartbeat_seconds"] = 0.1
    watched(run, limit=600)

    run.wait_for(lambda: silent_seconds(run)[-1:] > [0.5], what="silence")
    run.write("control/seen", "seen\n")
    before = len(silent_seconds(run))
    run.wait_for(lambda: min(silent_seconds(run)[before:], default=1) < 0.5, what="a new count")


def silent_seconds(run: Run) -> list[float]:
    """Return the silence that each heartbeat has told of."""
    return [
        beat["control_silent_seconds"]
        for beat in run.events("heartbeat")
        if "control_silent_seconds" in beat
    ]


def test_the_armed_dead_man_is_told_in_environment_and_heartbeat(run: Run) -> None:
    run.job["heartbeat_seconds"] = 0.1
    watched(run, limit=600)

    run.write("control/stop", "stop\n")
    run.wait_for_exit()

    assert run.events("environment")[0]["control_silence_limit_seconds"] == 600
    assert silent_seconds(run)
    assert run.events("heartbeat")[-1]["control_silence_limit_seconds"] == 600


HANGS = """
import threading
tell('progress', step=3, total_steps=9)
print('training')
save_adapter('output/checkpoint-3')
Path('output/checkpoint-3/trainer_state.json').write_text('{}')
def where_it_hangs():
    threading.Event().wait()
where_it_hangs()
"""


def test_F44_a_training_whose_step_stands_still_is_warned_of_and_then_ended(run: Run) -> None:
    run.job["limits"].update(stall_seconds=0.4, save_seconds=0.2, kill_after_seconds=5)
    run.add_training(HANGS)

    exit_event = run.result()

    assert (exit_event["outcome"], exit_event["error_code"]) == ("failed", "E_STALLED")
    assert exit_event["has_adapter"] is True, "that of the newest checkpoint"
    said = [event["text"] for event in run.events("log")]
    assert any("Step 3 has not moved" in text and "We wait" in text for text in said)
    assert any("where_it_hangs" in text for text in said), "Python shows where it stood"
