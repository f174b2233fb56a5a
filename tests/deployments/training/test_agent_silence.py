"""The dead-man's clock: only changes count, and only time in which the agent could see them."""

import os
from pathlib import Path

import pytest

import agent_silence
from agent_silence import ControlSilence
from tests.deployments.training.clocks import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(agent_silence, "time", clock)
    return clock


def armed(
    control: Path, *, limit: float = 100, accepted: list[int] | None = None
) -> ControlSilence:
    """Return a clock that has just begun to count."""
    through = accepted if accepted is not None else [0]
    return ControlSilence(control, limit_seconds=limit, accepted_through=lambda: through[0])


def passes(clock: Clock, silence: ControlSilence, seconds: float) -> bool:
    """Let time pass in steps of a second, and return whether it is too long in the end."""
    too_long = False
    for _ in range(int(seconds)):
        clock.now += 1
        too_long = silence.is_too_long()
    return too_long


def test_silence_counts_from_the_start(tmp_path: Path, clock: Clock) -> None:
    silence = armed(tmp_path)

    assert not passes(clock, silence, 99)
    assert passes(clock, silence, 1)


@pytest.mark.parametrize("stamp", [0, 1, 10**10], ids=["1970", "a second later", "far ahead"])
def test_F78_a_look_counts_whatever_time_it_carries(
    tmp_path: Path, clock: Clock, stamp: int
) -> None:
    silence = armed(tmp_path)
    passes(clock, silence, 99)
    seen = tmp_path / "seen"
    seen.touch()
    os.utime(seen, (stamp, stamp))

    assert not passes(clock, silence, 99)
    assert silence.seconds == 98


def test_a_file_that_stays_as_it_is_is_no_new_look(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "seen").write_text("seen")
    silence = armed(tmp_path)

    assert passes(clock, silence, 100)


def test_a_file_written_anew_with_the_same_words_is_a_look(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "seen").write_text("seen")
    silence = armed(tmp_path)
    passes(clock, silence, 60)
    part = tmp_path / "seen.part"
    part.write_text("seen")
    part.replace(tmp_path / "seen")

    passes(clock, silence, 1)

    assert silence.seconds == 0


def test_a_push_that_was_accepted_is_a_sign_of_life(tmp_path: Path, clock: Clock) -> None:
    accepted = [3]
    silence = armed(tmp_path, accepted=accepted)
    passes(clock, silence, 99)
    accepted[0] = 4

    assert not passes(clock, silence, 99)


def test_a_machine_that_stood_still_itself_blames_nobody(tmp_path: Path, clock: Clock) -> None:
    silence = armed(tmp_path)
    clock.now += 3600

    assert not silence.is_too_long()
    assert silence.seconds == agent_silence.MOST_BETWEEN_CHECKS_SECONDS


def test_a_limit_of_zero_never_ends_a_run_and_tells_nothing(tmp_path: Path, clock: Clock) -> None:
    silence = armed(tmp_path, limit=0)

    assert not passes(clock, silence, 1000)
    assert silence.figures() == {}
