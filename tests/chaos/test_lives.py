"""Seeded lives: every invariant holds after every step, whatever goes wrong (FAULTS section 4)."""

import subprocess
import sys
from pathlib import Path

import pytest

from deployments.models.deployments import TERMINAL
from tests.chaos.life import LifeFailedError, Stage
from tests.chaos.script import script_of
from tests.deployments.virtual.invariants import steps

# So many lives a test that xdist can share them out.
QUICK_SEEDS = range(1, 51)
FULL_SEEDS = range(51, 551)
LIVES_A_TEST = 10
LIVES_A_FULL_TEST = 50
ROOT = Path(__file__).resolve().parents[2]


def live_all(stage: Stage, seeds: range) -> None:
    """Live them all; of those that could succeed (tests/chaos/chance.py) all have to."""
    outcomes = [stage.live(seed) for seed in seeds]

    assert all(outcome.status in TERMINAL for outcome in outcomes)
    could = [outcome for outcome in outcomes if not outcome.forbidden_by]
    assert [outcome for outcome in could if not outcome.succeeded] == []


@pytest.mark.parametrize("first", range(QUICK_SEEDS.start, QUICK_SEEDS.stop, LIVES_A_TEST))
def test_I1_to_I21_hold_in_every_life(stage: Stage, first: int) -> None:
    live_all(stage, range(first, first + LIVES_A_TEST))


@pytest.mark.full
@pytest.mark.parametrize("first", range(FULL_SEEDS.start, FULL_SEEDS.stop, LIVES_A_FULL_TEST))
def test_I1_to_I21_hold_in_many_more_lives(stage: Stage, first: int) -> None:
    live_all(stage, range(first, first + LIVES_A_FULL_TEST))


def test_a_seed_is_one_life_for_ever() -> None:
    assert script_of(17) == script_of(17)
    assert script_of(17) != script_of(18)


def test_the_same_seed_lives_the_same_life_twice(stage: Stage) -> None:
    first, second = stage.live(3), stage.live(3)

    assert first == second


def test_a_life_that_breaks_a_rule_tells_its_seed_script_and_story(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(facts: object) -> None:
        raise AssertionError("I0: nothing holds")

    monkeypatch.setattr(steps, "SAFETY", (*steps.SAFETY, broken))

    with pytest.raises(LifeFailedError, match=r"(?s)seed 5 at .*I0.*Script\(seed=5.*Accepted"):
        stage.live(5)


@pytest.mark.full
def test_the_command_lives_what_it_is_asked_for_and_reports() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--lives", "2", "--from", "17"]

    told = subprocess.run(  # noqa: S603 - our own program
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("2 of 2 lives in ")
