"""Small versions of the commands of this package, as anybody would run them."""

import os
import subprocess
import sys

import pytest

from tests.sandbox_cloud import REPOSITORY

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("fire")]
PATIENCE_SECONDS = 1500


def run(*arguments: str) -> str:
    """Run a command of ours with a database of its own, and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "APP_URL")}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_F75_runs_come_to_their_right_end_though_web_worker_and_queues_are_killed() -> None:
    said = run("tests.fire.kill_loop", "--runs", "3", "--kills", "8", "--stand-in")

    assert "kill 8: " in said
    assert "everything holds" in said


def test_F20_many_lives_under_two_workers_on_postgresql_come_to_their_right_end() -> None:
    said = run("tests.fire.lives", "--lives", "20", "--at-once", "20")

    assert "everything holds" in said
