"""When a training that says nothing new is slow, and when it hangs (F44)."""

import pytest

import agent_pace
from agent_pace import Pace
from tests.deployments.training.clocks import Clock

MINUTE = 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(agent_pace, "time", clock)
    return clock


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(least_seconds=15 * MINUTE, first_step_seconds=30 * MINUTE)


def step(pace: Pace, clock: Clock, number: int, *, after: float) -> None:
    clock.now += after
    pace.take({"kind": "progress", "step": number})


def test_quick_steps_may_stand_still_for_fifteen_minutes(clock: Clock, pace: Pace) -> None:
    for number in range(1, 50):
        step(pace, clock, number, after=1)

    assert pace.warn_after_seconds == 15 * MINUTE
    clock.now += 29 * MINUTE
    assert not pace.hangs
    clock.now += MINUTE
    assert pace.hangs


def test_slow_steps_may_take_twenty_times_as_long_as_usual(clock: Clock, pace: Pace) -> None:
    for number in range(1, 10):
        step(pace, clock, number, after=2 * MINUTE)

    assert pace.warn_after_seconds == 40 * MINUTE


def test_several_steps_told_at_once_count_each(clock: Clock, pace: Pace) -> None:
    step(pace, clock, 1, after=1)
    step(pace, clock, 11, after=1000)

    assert pace.warn_after_seconds == 20 * 100


def test_the_first_step_may_take_longer_for_the_model_is_loaded_first(
    clock: Clock, pace: Pace
) -> None:
    step(pace, clock, 0, after=5)

    assert pace.warn_after_seconds == 30 * MINUTE


@pytest.mark.parametrize("kind", ["metrics", "checkpoint", "pulse"])
def test_an_evaluation_and_a_save_are_movement(clock: Clock, pace: Pace, kind: str) -> None:
    step(pace, clock, 5, after=1)
    clock.now += 14 * MINUTE
    pace.take({"kind": kind, "step": 5})

    assert pace.still_seconds == 0


def test_words_and_a_step_told_again_are_no_movement(clock: Clock, pace: Pace) -> None:
    step(pace, clock, 5, after=1)
    step(pace, clock, 5, after=100)
    pace.take({"kind": "log", "text": "still here"})

    assert pace.still_seconds == 100


def test_going_on_from_a_checkpoint_spoils_no_median(clock: Clock, pace: Pace) -> None:
    for number in (40, 41, 10, 11):
        step(pace, clock, number, after=3)

    assert pace.warn_after_seconds == 15 * MINUTE
    assert pace.step == 11
