"""How long a run has run, by the machine's monotonic clock and boot (F52, F54, F78)."""

from pathlib import Path

import pytest

import agent_clock
from agent_clock import RunClock
from tests.deployments.training.clocks import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    clock = Clock()
    monkeypatch.setattr(agent_clock, "time", clock)
    monkeypatch.setattr(agent_clock, "BOOT_ID", tmp_path / "boot_id")
    (tmp_path / "boot_id").write_text("boot-1\n")
    return clock


def test_time_counts_from_the_first_start_whoever_asks(tmp_path: Path, clock: Clock) -> None:
    RunClock(tmp_path)
    clock.now += 90

    assert RunClock(tmp_path).used_seconds() == 90
    assert not RunClock(tmp_path).rebooted


def test_another_boot_is_noticed(tmp_path: Path, clock: Clock) -> None:
    RunClock(tmp_path)
    (tmp_path / "boot_id").write_text("boot-2\n")
    clock.now = 5.0

    again = RunClock(tmp_path)

    assert again.rebooted
    assert again.used_seconds() == 0


def test_a_boot_that_the_start_command_noted_stands(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "boot").write_text("boot-0\n")

    assert RunClock(tmp_path).rebooted


def test_a_note_that_cannot_be_read_costs_no_run(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "started").write_text("yesterday")

    assert RunClock(tmp_path).used_seconds() == 0
