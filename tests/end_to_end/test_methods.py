"""Each method trained for real, over real SSH, on one card and on two, to an adapter at home."""

import json

import pytest

from deployments.models import Artifact, Deployment
from deployments.models.deployments import Status
from tests.end_to_end.life import Life, assert_over
from tests.sandbox_cloud import SandboxHandle
from tests.trainer import sample_data

pytestmark = [
    pytest.mark.full,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_training"),
]
SHORT = {
    "max_steps": 12,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
}


def rows(name: str, count: int) -> list[dict[str, object]]:
    lines = (sample_data() / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:count]]


def measured(deployment: Deployment, name: str) -> list[float]:
    rows = deployment.job.metrics.filter(name=name).order_by("step")
    return [row.value for row in rows if row.value is not None]


@pytest.mark.parametrize(
    ("method", "rate", "instance_type"),
    [("dpo", 1e-3, "gpu_1x_a10"), ("orpo", 5e-3, "gpu_2x_a100")],
)
def test_preferences_lower_the_eval_loss_and_the_adapter_comes_home(
    cloud: SandboxHandle, method: str, rate: float, instance_type: str
) -> None:
    life = Life.begin(cloud, rows=rows("preference", 120))

    deployment = life.until(
        life.deploy(
            method=method,
            instance_type=instance_type,
            hyperparameters={**SHORT, "learning_rate": rate},
            evaluation={"steps": 6},
        ),
        seconds=300,
    )

    assert_over(life, deployment, status=Status.COMPLETED, machines=1)
    losses = measured(deployment, "eval/loss")
    assert losses[-1] < losses[0]
    assert measured(deployment, "eval/rewards/margins")[-1] > 0
    assert len(measured(deployment, "train/rewards/accuracies")) == 12
    assert Artifact.objects.filter(deployment=deployment).exists()
    (machine,) = deployment.machines.all()
    told = [line.text for line in machine.logline_set.all()]
    assert any("2 processes train together" in text for text in told) == (machine.gpu_count == 2)


def test_examples_lower_the_eval_loss_on_a_base_in_4_bit_and_the_adapter_comes_home(
    cloud: SandboxHandle,
) -> None:
    life = Life.begin(cloud, rows=rows("prompt-completion", 120))

    deployment = life.until(
        life.deploy(
            hyperparameters={**SHORT, "learning_rate": 5e-3, "load_in_4bit": True},
            evaluation={"steps": 6},
        ),
        seconds=300,
    )

    assert_over(life, deployment, status=Status.COMPLETED, machines=1)
    losses = measured(deployment, "eval/loss")
    assert losses[-1] < losses[0]
    assert Artifact.objects.filter(deployment=deployment).exists()
    (machine,) = deployment.machines.all()
    told = [line.text for line in machine.logline_set.all()]
    (held,) = [text for text in told if text.endswith("held in 4 bit (nf4).")]
    assert int(held.split()[0]) > 0
