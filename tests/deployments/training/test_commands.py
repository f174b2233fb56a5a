"""Starting the agent: once, whatever happens to the answer, in a real shell."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployments.training import commands
from tests.deployments.training.runs import MARK, NAME, Run, fake_machine

WAIT = "print('training')\nwait_for_stop()\nsave_adapter()\nsys.exit(10)"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with fake_machine(tmp_path / "home", train=WAIT) as run:
        yield run


def kill(run: Run, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    run.wait_for(lambda: pid not in run.processes(), what="the end of the agent")


def test_a_second_start_finds_the_first_agent_and_prints_the_same_pid(run: Run) -> None:
    """F39, I11."""
    first = run.start()

    second = run.start()

    assert first == second
    assert first in run.processes()


def test_many_starts_at_once_make_one_agent(run: Run) -> None:
    """F39, I11."""
    run.write_job()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: run.shell(commands.start_agent(NAME)), range(10)))

    assert len({answer.stdout for answer in answers}) == 1
    run.wait_for_event("log", text="training")
    assert len(run.events("phase")) == 4


def test_F39_many_starts_at_once_after_its_death_make_one_agent_more(run: Run) -> None:
    first = run.start()
    run.wait_for_event("log", text="training")
    kill(run, first)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: run.shell(commands.start_agent(NAME)), range(10)))

    assert {answer.stdout.strip() for answer in answers} == {str(run.agent_pid())}
    assert run.agent_pid() != first
    run.wait_for(lambda: [event.get("text") for event in run.events()].count("training") == 2)


def test_a_second_agent_in_the_same_folder_ends_at_once(run: Run) -> None:
    """I11: whatever the shell believed, the kernel's lock has the last word."""
    pid = run.start()
    run.wait_for_event("log", text="training")

    second = run.shell(f"cd {run.folder} && python3 agent.py", check=False)

    assert second.returncode == 0
    assert run.agent_pid() == pid
    assert len(run.events("environment")) == 2, "one agent's"


def test_the_agent_outlives_the_shell_that_started_it(run: Run) -> None:
    """Whatever reaches the session's process group: the agent has left it."""
    run.write_job()
    with subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", commands.start_agent(NAME) + "\nsleep 60"],
        cwd=run.home,
        env=run.environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as shell:
        run.wait_for_event("log", text="training")
        os.killpg(shell.pid, signal.SIGKILL)

    assert run.agent_lives()


def test_a_start_after_the_end_prints_the_pid_and_runs_nothing(run: Run) -> None:
    pid = run.start()
    run.write("control/stop", "stop\n")
    exit_event = run.wait_for_exit()

    again = run.start()

    assert again == pid
    assert run.events()[-1] == exit_event
    assert run.processes() == []


def test_an_agent_that_was_killed_is_started_again_and_its_numbering_goes_on(run: Run) -> None:
    """F52: what it left running is ended, or two trainings would run at once."""
    first = run.start()
    run.wait_for_event("log", text="training")
    kill(run, first)
    (orphan,) = run.processes()
    with (run.folder / "run.jsonl").open("ab") as log:
        log.write(b'{"seq": 99, "time": "half a li')

    second = run.start()
    run.wait_for(lambda: [event.get("text") for event in run.events()].count("training") == 2)
    running = run.processes()
    run.write("control/stop", "stop\n")
    exit_event = run.wait_for_exit()

    assert second != first
    assert orphan not in running
    assert [event["seq"] for event in run.events()] == list(range(1, len(run.events()) + 1))
    assert exit_event["outcome"] == "stopped"
    assert any("ended 1 processes" in event["text"] for event in run.events("log"))


def test_an_agent_that_dies_twice_is_not_started_a_third_time(run: Run) -> None:
    """F52."""
    for _ in range(2):
        pid = run.start()
        run.wait_for_event("log", text="training")
        kill(run, pid)

    third = run.shell(commands.start_agent(NAME), check=False)

    assert third.returncode == 1
    assert "twice" in third.stderr
    assert not run.agent_lives()


def test_a_restart_does_not_win_the_run_more_time(run: Run) -> None:
    """F54, F78: by the clock of the kernel, whatever the log's own times say."""
    run.job["deadline_seconds"] = 3600
    pid = run.start()
    run.wait_for_event("log", text="training")
    kill(run, pid)
    an_hour_before = float((run.folder / "lock" / "started").read_text()) - 3600
    run.write("lock/started", f"{an_hour_before}\n")

    run.start()
    exit_event = run.wait_for_exit()

    assert exit_event["error_code"] == "E_MAX_HOURS"


def test_F52_after_a_reboot_no_agent_is_started_and_the_answer_says_so(run: Run) -> None:
    pid = run.start()
    run.wait_for_event("log", text="training")
    kill(run, pid)
    run.write("lock/boot", "another-boot\n")
    known = len(run.events())

    answer = run.shell(commands.start_agent(NAME), check=False)

    assert answer.returncode == commands.REBOOTED
    assert "rebooted" in answer.stderr
    assert not run.agent_lives()
    assert len(run.events()) == known


def test_F52_a_run_that_had_ended_before_the_reboot_has_ended(run: Run) -> None:
    pid = run.start()
    run.write("control/stop", "stop\n")
    run.wait_for_exit()
    run.write("lock/boot", "another-boot\n")

    assert run.start() == pid


def test_F52_an_agent_that_somebody_starts_by_hand_after_a_reboot_ends_the_run(run: Run) -> None:
    run.write_job()
    run.write("lock/boot", "another-boot\n")

    run.shell(f"cd {run.folder} && python3 agent.py", check=False)

    assert run.events("exit")[0]["error_code"] == "E_MACHINE_REBOOTED"


def test_a_stale_pid_that_now_belongs_to_a_stranger_is_not_taken_for_the_agent(run: Run) -> None:
    """After a reboot the numbers start again."""
    lock = run.folder / "lock"
    lock.mkdir()
    stranger = subprocess.Popen(["sleep", "60"], env={MARK: str(run.home)})  # noqa: S607
    (lock / "pid").write_text(f"{stranger.pid}\n")

    pid = run.start()

    assert pid != stranger.pid
    stranger.kill()
    stranger.wait()


def test_a_machine_without_python_is_an_error_with_the_reason(run: Run) -> None:
    run.add_program("python3", "echo 'no python here' >&2; exit 127")
    run.write_job()

    answer = run.shell(commands.start_agent(NAME), check=False)

    assert answer.returncode == 1
    error = commands.start_failed(answer.stderr)
    assert error.code == "E_AGENT_START"
    assert "no python here" in error.message
    assert "python3" in error.remedy


def test_the_run_folder_of_a_name_with_odd_letters_stays_one_word() -> None:
    assert "'slipway/a; rm -rf x'" in commands.start_agent("a; rm -rf x")
