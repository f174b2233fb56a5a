"""The run log: numbering, restarts, bounds, and a disk that is full."""

import json
import os
from pathlib import Path

import pytest

from agent_log import RunLog
from deployments.run_log import parse_lines


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def test_numbers_start_at_one_and_go_on_after_a_restart(path: Path) -> None:
    RunLog(path).append("phase", phase="preflight")

    RunLog(path).append("phase", phase="install")

    assert [line["seq"] for line in lines(path)] == [1, 2]


def test_half_a_line_of_a_crash_is_cut_off(path: Path) -> None:
    RunLog(path).append("phase", phase="preflight")
    with path.open("ab") as file:
        file.write(b'{"seq": 2, "ki')

    RunLog(path).append("phase", phase="install")

    assert [line["seq"] for line in lines(path)] == [1, 2]


def test_after_the_exit_event_nothing_is_taken_not_even_by_another_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(path)
    monkeypatch.setattr("time.sleep", lambda _seconds: pytest.fail("waits in vain"))
    log.end(outcome="completed")

    assert log.append("phase", phase="train") is False
    log.end(outcome="failed")
    again = RunLog(path)
    assert again.ended
    assert again.append("phase", phase="train") is False

    (only,) = lines(path)
    assert only["outcome"] == "completed"


def test_numbers_that_are_not_finite_become_null(path: Path) -> None:
    """F42: the words NaN and Infinity are not JSON."""
    RunLog(path).append("metrics", values={"a": float("nan"), "b": [float("inf"), 1.5]})

    assert lines(path)[0]["values"] == {"a": None, "b": [None, 1.5]}


def test_log_lines_beyond_the_rate_are_counted_instead(path: Path) -> None:
    log = RunLog(path, lines_per_second=1000, burst=3)
    log._rate = 0.0  # noqa: SLF001 (a clock that stands still)
    for number in range(10):
        log.text("info", "train", f"line {number}")
    log._rate = 1e9  # noqa: SLF001
    log.text("info", "train", "last")

    texts = [line["text"] for line in lines(path)]
    assert texts == [
        "line 0",
        "line 1",
        "line 2",
        "7 lines came too fast and are only in train.log.",
        "last",
    ]


def test_no_event_is_longer_than_what_the_reader_takes(path: Path) -> None:
    """The reader passes over lines of more than 64 KiB, which would be a gap."""
    log = RunLog(path)
    log.append("error", message="é" * 100_000)
    log.append("checkpoint", step=5, files=[{"name": "x" * 1000}] * 200)
    log.append("environment", versions={"a": "x" * 100_000})
    log.text("info", "train", "ü" * 100_000)

    events, consumed = parse_lines(path.read_bytes())
    assert [event["seq"] for event in events] == [1, 2, 3, 4]
    assert events[1]["step"] == 5
    assert consumed == path.stat().st_size


def test_on_a_full_disk_the_log_gives_back_what_it_kept_and_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F35: the last words of a run on a full disk are why it ended."""
    log = RunLog(path)
    real = os.write

    def write(descriptor: int, content: bytes) -> int:
        if log._ballast.exists():  # noqa: SLF001
            real(descriptor, content[:10])
            raise OSError(28, "No space left on device")
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    log.append("error", code="E_DISK")
    log.end(outcome="failed")

    assert [line["kind"] for line in lines(path)] == ["error", "exit"]


def test_an_event_the_disk_does_not_take_leaves_no_gap(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(path)
    log.append("phase", phase="train")
    with monkeypatch.context() as patch:

        def write(descriptor: int, content: bytes) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", write)
        assert log.append("heartbeat") is False

    log.append("phase", phase="save")

    assert [line["seq"] for line in lines(path)] == [1, 2]
