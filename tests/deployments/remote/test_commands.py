"""Commands: what they say comes back, and an outcome we did not see is none."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from deployments.remote import Remote, SshUnreachableError, connect
from tests.deployments.remote.conftest import PATIENCE_SECONDS, PATIENT
from tests.deployments.remote.machine import Machine


def wait_for_file(machine: Machine, name: str) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (machine.home / name).exists():
        assert time.monotonic() < give_up, f"{name} never appeared"
        time.sleep(0.01)


@contextmanager
def once_begun(machine: Machine, act: Callable[[], None]) -> Iterator[None]:
    """Act from another thread as soon as the command has made the file "begun"."""

    def wait_and_act() -> None:
        wait_for_file(machine, "begun")
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()


def test_a_command_runs_in_the_login_home_and_both_outputs_come_back(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        result = remote.run("pwd; echo trouble >&2", timeout_seconds=PATIENCE_SECONDS)

    assert result.stdout.strip() == str(machine.home)
    assert result.stderr == "trouble\n"
    assert result.exit_status == 0


def test_a_failing_command_is_a_result_with_its_status_and_no_exception(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        assert remote.run("exit 7", timeout_seconds=PATIENCE_SECONDS).exit_status == 7
        assert remote.run("no-such-program", timeout_seconds=PATIENCE_SECONDS).exit_status == 127


def test_quotes_and_spaces_reach_the_command_as_written(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        result = remote.run(
            "printf '%s|' \"it's\" 'a  b' '$HOME'", timeout_seconds=PATIENCE_SECONDS
        )

    assert result.stdout == "it's|a  b|$HOME|"


def test_standard_input_arrives_whole_and_ends(machine: Machine) -> None:
    data = bytes(range(256)) * 1000

    with connect(machine.target()) as remote:
        result = remote.run(
            "cat > copy && wc -c < copy", timeout_seconds=PATIENCE_SECONDS, stdin=data
        )

    assert int(result.stdout) == len(data)
    assert (machine.home / "copy").read_bytes() == data


def test_a_command_that_reads_without_input_meets_its_end_at_once(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        assert remote.run("cat", timeout_seconds=PATIENCE_SECONDS).exit_status == 0


def test_long_output_of_both_streams_comes_back_whole(machine: Machine) -> None:
    command = "head -c 900000 /dev/zero | tr '\\0' a; head -c 900000 /dev/zero | tr '\\0' b >&2"

    with connect(machine.target()) as remote:
        result = remote.run(command, timeout_seconds=PATIENCE_SECONDS)

    assert result.stdout == "a" * 900_000
    assert result.stderr == "b" * 900_000


def test_t3_output_without_end_is_cut_and_does_not_fill_our_memory(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        result = remote.run("head -c 5000000 /dev/zero", timeout_seconds=PATIENCE_SECONDS)

    assert result.exit_status == 0
    assert len(result.stdout) == 1024 * 1024


def test_output_that_is_not_utf_8_is_no_error(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        result = remote.run("printf 'a\\377b'", timeout_seconds=PATIENCE_SECONDS)

    assert result.stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_a_command_that_outlives_its_time_has_no_outcome_and_is_ended_there(
    machine: Machine,
) -> None:
    with connect(machine.target(), limits=PATIENT) as remote:
        result = remote.run("echo $$ > pid; sleep 300; touch survived", timeout_seconds=2)
        is_alive = remote.run("kill -0 $(cat pid)", timeout_seconds=PATIENCE_SECONDS)

    assert result.exit_status is None
    assert is_alive.exit_status == 1
    assert not (machine.home / "survived").exists()


def test_a_command_that_itself_ends_with_124_in_time_has_that_outcome(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        assert remote.run("exit 124", timeout_seconds=PATIENCE_SECONDS).exit_status == 124


def test_a_detached_child_outlives_the_command_and_does_not_hold_it_up(machine: Machine) -> None:
    command = "setsid nohup sh -c 'sleep 0.3; touch done' > log 2>&1 < /dev/null & echo $!"

    with connect(machine.target()) as remote:
        result = remote.run(command, timeout_seconds=PATIENCE_SECONDS)

    assert int(result.stdout) > 1
    wait_for_file(machine, "done")


def test_a_connection_that_drops_in_mid_command_leaves_the_outcome_unknown(
    machine: Machine,
) -> None:
    with connect(machine.target()) as remote:
        with once_begun(machine, machine.drop_connections):
            result = remote.run("touch begun; sleep 300", timeout_seconds=PATIENCE_SECONDS)

        assert result.exit_status is None
        # And what comes next says plainly that there is no connection any more.
        with pytest.raises(SshUnreachableError):
            remote.run("true", timeout_seconds=PATIENCE_SECONDS)


def test_a_machine_that_freezes_in_mid_command_leaves_the_outcome_unknown(
    machine: Machine,
) -> None:
    with connect(machine.target(), limits=replace(PATIENT, grace_seconds=0.5)) as remote:
        assert remote.run("true", timeout_seconds=PATIENCE_SECONDS).exit_status == 0
        with once_begun(machine, machine.freeze):
            result = remote.run("touch begun; sleep 300", timeout_seconds=1)

    assert result.exit_status is None


def test_a_machine_that_is_frozen_before_the_command_is_unreachable(machine: Machine) -> None:
    with connect(machine.target(), limits=replace(PATIENT, channel_seconds=0.5)) as remote:
        machine.freeze()

        with pytest.raises(SshUnreachableError):
            remote.run("true", timeout_seconds=1)


def test_a_remote_takes_many_commands_one_after_the_other(machine: Machine) -> None:
    def ask(remote: Remote, number: int) -> str:
        return remote.run(f"echo {number}", timeout_seconds=PATIENCE_SECONDS).stdout

    with connect(machine.target()) as remote:
        answers = [ask(remote, number) for number in range(15)]

    assert answers == [f"{number}\n" for number in range(15)]
