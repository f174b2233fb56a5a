"""Both ways of the run log at once: a real agent, the real API over HTTP, the real rows (F41).

Reading over SSH is played by reading the run folder's file, cut as often as a test says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from datasets.models import DownloadToken
from datasets.services import normalised_file
from deployments import machine_tokens
from deployments.models import Checkpoint, LogLine, Machine, Metric, RunState
from deployments.run_log import ingest, parse_lines
from tests.builders import make_machine
from tests.deployments.training.runs import FAKE_TRAINING, Run, fake_machine

pytestmark = pytest.mark.django_db(transaction=True)
TRAINING = (
    FAKE_TRAINING
    + """
for step in range(1, 31):
    print("line", step, flush=True)
    tell("metrics", step=step, total_steps=30, epoch=step / 30, values={"train/loss": 3 / step})
    time.sleep(0.01)
tell("checkpoint", step=30, path="output/checkpoint-30", size_bytes=1, files=[])
if Path("wait").exists():
    wait_for_stop()
save_adapter()
"""
)
KEPT = ("text", "name", "step", "value", "seq", "level", "source", "path")


@dataclass
class Both:
    """A machine that pushes, and our reading of its file."""

    machine: Machine
    run: Run

    def read(self, *, limit: int = 10**6) -> int:
        """Look once, as the pull does; return how many bytes that were."""
        state, _ = RunState.objects.get_or_create(machine=self.machine)
        path = self.run.folder / "run.jsonl"
        chunk = path.read_bytes()[state.log_offset :][:limit] if path.exists() else b""
        events, consumed = parse_lines(chunk)
        ingest(self.machine, events, log_offset=state.log_offset + consumed)
        return consumed

    def told(self) -> dict[str, Any]:
        """Return all that is known of the run, without the times."""
        state = RunState.objects.get(machine=self.machine)
        rows = [
            {name: getattr(row, name) for name in KEPT if hasattr(row, name)}
            for model, order in ((LogLine, "seq"), (Metric, "step"), (Checkpoint, "step"))
            for row in model.objects.filter(machine=self.machine).order_by(order)
        ]
        fields = ("accepted_through", "phase", "step", "total_steps", "epoch", "error", "exit")
        return {"rows": rows, **{name: getattr(state, name) for name in fields}}

    def expected(self) -> dict[str, Any]:
        """Return the same as reading the whole file into a fresh machine's rows gives it."""
        fresh = Both(make_machine(), self.run)
        while fresh.read():
            pass
        return fresh.told()


@pytest.fixture
def both(tmp_path: Path, live_server: LiveServer, settings: Settings) -> Iterator[Both]:
    settings.APP_URL = live_server.url
    machine = make_machine()
    with fake_machine(tmp_path / "home") as run:
        run.write("train.py", TRAINING)
        run.write("token", machine_tokens.mint(machine))
        run.job["job_url"] = f"{live_server.url}/api/training/jobs/{machine.deployment.job_id}"
        yield Both(machine, run)


def test_F41_a_run_that_is_only_pushed_is_known_whole(both: Both) -> None:
    assert both.run.result()["outcome"] == "completed"

    told = both.told()
    assert told["exit"]["outcome"] == "completed"
    assert told["accepted_through"] == both.run.events()[-1]["seq"]
    assert told == both.expected()


def test_F41_a_push_that_fails_for_the_whole_run_changes_nothing(both: Both) -> None:
    machine_tokens.revoke(both.machine)

    assert both.run.result()["outcome"] == "completed"
    assert not RunState.objects.filter(machine=both.machine).exists()
    while both.read():
        pass

    assert both.told() == both.expected()


def test_F41_I10_both_ways_at_once_count_each_event_once(both: Both) -> None:
    both.run.start()
    while both.run.agent_lives():
        both.read(limit=700)
    while both.read():
        pass

    assert both.told() == both.expected()


def test_F41_while_reading_is_cut_the_push_brings_everything_and_reading_goes_on_after(
    both: Both,
) -> None:
    both.run.write("wait", "")
    both.run.start()
    both.run.wait_for(lambda: both.read(limit=500))
    both.run.wait_for(lambda: Checkpoint.objects.exists(), what="the push of a checkpoint")

    assert Metric.objects.filter(machine=both.machine).count() == 30
    assert RunState.objects.get().log_offset <= 500
    both.run.write("control/stop", "")
    both.run.wait_for_exit()
    while both.read():
        pass
    assert both.told() == both.expected()


def test_F36_the_machine_fetches_its_data_by_its_token(both: Both) -> None:
    dataset = both.machine.deployment.job.dataset
    (both.run.folder / "data" / "dataset.jsonl").unlink()
    both.run.job["limits"]["download_patience_seconds"] = 20
    both.run.job["dataset"] |= {
        "sha256": dataset.normalised_sha256,
        "size_bytes": dataset.normalised_size_bytes,
    }

    assert both.run.result()["outcome"] == "completed"

    fetched = both.run.folder / "data" / "dataset.jsonl"
    assert fetched.read_bytes() == normalised_file(dataset).read_bytes()
    assert both.run.events("request") == []
    (token,) = DownloadToken.objects.all()
    assert (token.uses, token.run_id) == (1, both.machine.name)
