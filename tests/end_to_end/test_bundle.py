"""The bundle of a finished run, on a bare machine: ``bash run.sh`` ends with the same losses."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from deployments.exports.bundle import bundle
from deployments.models.deployments import Status
from tests.builders import NOON
from tests.end_to_end.life import Life, assert_over
from tests.end_to_end.test_training import SHORT, eval_losses, problems
from tests.sandbox_cloud import SandboxHandle
from tests.trainer import sample_model, trainer_python

pytestmark = [
    pytest.mark.full,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_training"),
]


def test_the_bundle_of_a_run_repeats_it_without_slipway(
    cloud: SandboxHandle, tmp_path: Path
) -> None:
    life = Life.begin(cloud, rows=problems(120))
    deployment = life.until(
        life.deploy(hyperparameters={**SHORT, "max_steps": 8}, evaluation={"steps": 4}),
        seconds=240,
    )
    assert_over(life, deployment, status=Status.COMPLETED, machines=1)
    packed = b"".join(bundle(deployment, with_data=True, now=NOON))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "elsewhere", filter="data")
    folder = tmp_path / "elsewhere" / "sums-bundle"

    done = subprocess.run(  # noqa: S603
        ["/bin/bash", folder / "run.sh"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHON": str(trainer_python()),
            "SLIPWAY_MODEL_PATH": str(sample_model()),
            "SLIPWAY_CPU": "1",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    last = eval_losses(deployment)[-1]
    assert f"eval/loss: {last} at step 8; then {last} at step 8: the same\n" in done.stdout
    assert "train/loss: " in done.stdout
    assert done.stdout.count(": the same\n") == 2
    assert (folder / "work" / "output" / "adapter" / "adapter_model.safetensors").is_file()
