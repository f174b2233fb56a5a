"""The payload's fetch_model.py run by itself, against a hub of the test's."""

import json
import os
import subprocess
from typing import Any

from tests.deployments.training.runs import Run
from tests.trainer import trainer_python


def fetch(run: Run, *, hub_url: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Run the script by itself; return its status, the last event of each kind, and all it said."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as events:
        with os.fdopen(writing, "w"):
            done = subprocess.run(  # noqa: S603
                [str(trainer_python()), "fetch_model.py"],
                cwd=run.folder,
                env={
                    **run.environment,
                    "HF_ENDPOINT": hub_url,
                    "HF_HOME": str(run.folder / "hub"),
                    "HF_HUB_DISABLE_TELEMETRY": "1",
                    "SLIPWAY_EVENTS_FD": str(writing),
                },
                pass_fds=(writing,),
                check=False,
                capture_output=True,
                text=True,
                timeout=120,
            )
        said = events.read()
    told = [json.loads(line) for line in said.splitlines()]
    everything = said + done.stdout + done.stderr
    return done.returncode, {event["kind"]: event for event in told}, everything
