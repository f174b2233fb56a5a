"""The bundle: what is in it, the same bytes each time, and what run.sh says of what is missing."""

import io
import json
import os
import subprocess
import sys
import tarfile
from decimal import Decimal
from pathlib import Path

import pytest

import train_checks
from datasets.services import normalised_file
from deployments import earlier_adapters, forecasts
from deployments.exports.bundle import bundle, split
from deployments.job_parts import parts_of
from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.training.job_file import PAYLOAD_FILES
from tests import builders
from tests.builders import NOON

pytestmark = pytest.mark.django_db


def finished() -> Deployment:
    deployment = builders.make_deployment(
        status=Status.COMPLETED, actual_cost=Decimal("0.43"), completed_at=NOON
    )
    machine = builders.make_machine(deployment, gone_at=NOON, billed_usd=Decimal("0.43"))
    builders.make_run_state(machine, environment={"freeze": ["trl==1.16.0"]})
    for step, value in ((1, 2.5), (2, 1.25)):
        builders.make_metric(machine, step=step, value=value)
    builders.make_log_line(machine, text="Step 2: loss 1.25.")
    return deployment


def packed(deployment: Deployment, *, with_data: bool = True) -> bytes:
    return b"".join(bundle(deployment, with_data=with_data, now=NOON))


def files_in(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        assert {(m.mtime, m.uid, m.uname) for m in members} == {(0, 0, "")}
        return {
            m.name.removeprefix("sums-bundle/"): archive.extractfile(m).read()  # type: ignore[union-attr]
            for m in members
        }


def test_it_holds_everything_that_made_the_run_and_all_it_told() -> None:
    deployment = finished()

    files = files_in(packed(deployment))

    assert {f"payload/{name}" for name, _, _ in PAYLOAD_FILES} < set(files)
    assert files["data/dataset.jsonl"] == normalised_file(deployment.job.dataset).read_bytes()
    job = json.loads(files["job.json"])
    assert job["recipe"] == deployment.job.config
    assert job["dataset"]["sha256"] == deployment.job.dataset_sha256
    assert job["job_url"] == ""
    assert job["silence_limit_seconds"] == 0
    assert json.loads(files["environment.json"]) == {"freeze": ["trl==1.16.0"]}
    assert files["freeze.txt"] == b"trl==1.16.0\n"
    assert json.loads(files["expected.json"]) == {"train/loss": {"step": 2, "value": 1.25}}
    assert json.loads(files["cost.json"])["total"] == "0.43"
    assert files["metrics.csv"].decode().splitlines()[1:] == [
        f"1,train/loss,2.5,{NOON.isoformat()}",
        f"2,train/loss,1.25,{NOON.isoformat()}",
    ]
    assert b"info agent Step 2: loss 1.25.\n" in files["log.txt"]


def test_a_run_that_starts_from_an_earlier_adapter_brings_it_along() -> None:
    deployment, home = finished(), builders.make_checkpoint_at_home()
    adapter = earlier_adapters.of_checkpoint(home)
    deployment.job.config["adapter"] = earlier_adapters.keep(adapter, deployment.job_id)

    files = files_in(packed(deployment))

    assert files["start_adapter/adapter_model.safetensors"] == b"weights of step 40"
    assert files["start_adapter/adapter_config.json"] == b"{}"


def test_data_of_its_own_to_measure_with_goes_along() -> None:
    deployment = finished()
    evaluation = builders.make_dataset(deployment.user, name="apart")
    job = deployment.job
    job.config = {**job.config, "eval": {**job.config["eval"], "dataset_id": str(evaluation.pk)}}
    job.save()

    files = files_in(packed(deployment))

    assert files["data/eval.jsonl"] == normalised_file(evaluation).read_bytes()
    assert json.loads(files["split.json"]) == {"eval_file": "data/eval.jsonl"}
    assert json.loads(files["job.json"])["dataset"]["eval_file"] == "data/eval.jsonl"


def test_a_model_that_was_spread_over_its_cards_is_spread_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def sharding_of(recipe: object, dataset: object, **machine: object) -> str:
        asked.append(machine)
        return "fsdp2"

    monkeypatch.setattr(forecasts, "sharding_of", sharding_of)
    deployment = finished()
    deployment.machines.update(gpu_count=8, vram_gib=40)

    job = json.loads(files_in(packed(deployment))["job.json"])

    assert asked == [{"gpu_count": 8, "vram_gib": 40}]
    assert (job["sharding"], job["expected"]) == ("fsdp2", {"gpu_count": 8})


def test_it_has_the_same_bytes_each_time() -> None:
    deployment = finished()

    assert packed(deployment) == packed(deployment)


def test_without_the_data_its_sha256_stays() -> None:
    deployment = finished()

    files = files_in(packed(deployment, with_data=False))

    assert "data/dataset.jsonl" not in files
    assert deployment.job.dataset_sha256 in files["README.md"].decode()


def test_the_rows_held_back_are_those_that_the_machine_holds_back() -> None:
    parts = parts_of(builders.make_deployment())
    rows = [{"number": number} for number in range(parts["dataset"]["rows"])]

    found = split(parts)

    _, held_back = train_checks.split_rows(rows, share=found["share"], seed=found["seed"])
    assert found["eval_rows"] == [row["number"] for row in held_back] != []


def test_rows_that_the_job_names_are_told_as_they_are() -> None:
    parts = parts_of(builders.make_deployment())
    parts["dataset"]["eval_rows"] = [3, 5]

    assert split(parts)["eval_rows"] == [3, 5]


class TestRunning:
    """``bash run.sh`` where something is missing; that it repeats a run is shown end to end."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        with tarfile.open(fileobj=io.BytesIO(packed(finished()))) as archive:
            archive.extractall(tmp_path, filter="data")
        return tmp_path / "sums-bundle"

    def run(self, folder: Path, **environment: str) -> tuple[int, str]:
        """Return the exit status of run.sh and what it said."""
        done = subprocess.run(  # noqa: S603
            ["/bin/bash", folder / "run.sh"],
            env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout

    def test_data_that_is_not_there_is_asked_for_by_its_sha256(self, folder: Path) -> None:
        (folder / "data" / "dataset.jsonl").unlink()

        status, said = self.run(folder)

        job = json.loads((folder / "job.json").read_text())
        assert status == 2
        assert f"Put the file with sha256 {job['dataset']['sha256']} at " in said

    def test_other_data_is_refused(self, folder: Path) -> None:
        with (folder / "data" / "dataset.jsonl").open("a") as file:
            file.write("{}\n")

        status, said = self.run(folder)

        assert status == 2
        assert "is not the data of this run" in said
        assert not (folder / "work").exists()

    def test_a_model_folder_without_a_model_is_refused(self, folder: Path) -> None:
        status, said = self.run(folder, SLIPWAY_MODEL_PATH=str(folder))

        assert status == 2
        assert "no config.json" in said
