"""``manage.py prove_cloud`` beside real processes: the worker does the work, and Ctrl-C ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployments.management.local_stack import LocalStack, running
from tests.trainer import sample_model, trainer_python

pytestmark = pytest.mark.full


@pytest.fixture
def stack(tmp_path: Path) -> LocalStack:
    return LocalStack(
        tmp_path / "slipway", models_dir=sample_model().parent, image_python=trainer_python()
    )


def add_key(stack: LocalStack) -> None:
    stack.api("POST", "vault/entries", json={"provider": "lambda", "secret": stack.sandbox_key})


def living(stack: LocalStack) -> list[str]:
    machines = stack.control("GET", "machines")["machines"]
    return [machine["name"] for machine in machines if machine["status"] != "terminated"]


def test_with_a_worker_the_plan_passes_as_well(stack: LocalStack) -> None:
    with running(stack):
        add_key(stack)
        stack.control("POST", "settings", json={"terminated_get_seconds": 3})

        said = stack.manage("prove_cloud", "lambda", "--max-usd", "0.50", "--user", "demo")

        assert said.count("pass ") == 9, said
        assert living(stack) == []
        (report,) = (stack.data_dir / "proofs").glob("*.json")
        assert json.loads(report.read_text(encoding="utf-8"))["passed"]
        assert stack.sandbox_key not in report.read_text(encoding="utf-8") + said


def test_sigterm_in_mid_run_ends_the_machine_before_the_command_ends(stack: LocalStack) -> None:
    with running(stack):
        add_key(stack)
        process = subprocess.Popen(
            [sys.executable, "manage.py", "prove_cloud", "lambda"],
            env=stack.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        give_up = time.monotonic() + 60
        while not living(stack) and time.monotonic() < give_up:
            time.sleep(0.1)
        assert living(stack)

        os.kill(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=120)

        assert process.returncode == 1
        assert "Interrupted: ending the machine first" in said
        assert "pass 8. The machine is ended and proven gone" in said
        assert living(stack) == []
