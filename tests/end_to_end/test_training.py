"""Real training on a real (small) model, over real SSH, to an adapter at home."""

import json
import shutil
import struct
import subprocess
import tarfile
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from deployments.models import Artifact, Deployment
from deployments.models.deployments import Status
from tests.end_to_end.life import Life, assert_over, error_of
from tests.sandbox_cloud import SandboxHandle
from tests.trainer import sample_data, sample_model, trainer_python

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_training"),
]
SHORT = {
    "learning_rate": 5e-3,
    "max_steps": 24,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
}
LOADS = """
import sys, torch
from peft import AutoPeftModelForCausalLM
model = AutoPeftModelForCausalLM.from_pretrained(sys.argv[1])
moved = [p.abs().sum().item() for n, p in model.named_parameters() if "lora_B" in n]
print(len(moved), min(moved) > 0)
"""


def problems(count: int) -> list[dict[str, object]]:
    lines = (sample_data() / "chat.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:count]]


def eval_losses(deployment: Deployment) -> list[float]:
    rows = deployment.job.metrics.filter(name="eval/loss").order_by("step")
    return [row.value for row in rows if row.value is not None]


def test_a_whole_life_ends_with_an_adapter_that_peft_loads(
    cloud: SandboxHandle, tmp_path: Path, settings: Settings
) -> None:
    life = Life.begin(cloud, rows=problems(400))

    deployment = life.until(
        life.deploy(hyperparameters=SHORT, evaluation={"steps": 8}), seconds=240
    )

    assert_over(life, deployment, status=Status.COMPLETED, machines=1)
    losses = eval_losses(deployment)
    assert losses[-1] < losses[0]
    artifact = Artifact.objects.get(deployment=deployment)
    archive = Path(settings.SLIPWAY_DATA_DIR) / artifact.path
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    config_file = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "local:slipway-sample"
    config_file.write_text(json.dumps({**config, "base_model_name_or_path": str(sample_model())}))
    loaded = subprocess.run(  # noqa: S603
        [trainer_python(), "-c", LOADS, tmp_path / "adapter"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.split()[-1] == "True"
    # I10: nothing was taken twice, nothing left out.
    (machine,) = deployment.machines.all()
    seqs = list(machine.logline_set.values_list("seq", flat=True))
    assert len(seqs) == len(set(seqs))
    steps = deployment.job.metrics.filter(name="train/loss").values_list("step", flat=True)
    assert sorted(steps) == list(range(1, 25))


def broken_model(folder: Path) -> None:
    """Copy the sample model with one weight that is not a number: its losses are none either."""
    shutil.copytree(sample_model(), folder)
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-4:] = struct.pack("<f", float("nan"))
    file.write_bytes(data)


def test_F47_losses_that_are_no_numbers_end_the_run_with_the_reason_and_the_bill(
    cloud: SandboxHandle, tmp_path: Path, settings: Settings
) -> None:
    settings.LOCAL_MODELS_DIR = tmp_path / "models"
    broken_model(settings.LOCAL_MODELS_DIR / "broken")
    life = Life.begin(cloud, rows=problems(120))

    deployment = life.until(life.deploy(base_model="local:broken", hyperparameters=SHORT))

    assert error_of(deployment)["code"] == "E_NAN"
    assert Decimal(error_of(deployment)["cost_usd"]) > 0
    assert_over(life, deployment, status=Status.FAILED, machines=1)
