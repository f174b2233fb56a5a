"""A real machine is lost in the middle of real training; a second one goes on from what is home."""

import pytest

from deployments import checkpoints
from deployments.models import Deployment
from deployments.models.deployments import Status
from tests.end_to_end.life import Life, assert_over
from tests.end_to_end.test_training import SHORT, problems
from tests.sandbox_cloud import SandboxHandle

pytestmark = [
    pytest.mark.full,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_recovery"),
]
STEPS = 120


def has_checkpoint_home(deployment: Deployment) -> bool:
    return deployment.is_terminal or checkpoints.at_home(deployment.job_id).exists()


def test_F49_a_machine_that_vanishes_in_training_is_followed_by_one_that_goes_on(
    cloud: SandboxHandle,
) -> None:
    life = Life.begin(cloud, rows=problems(400))
    recipe = {**SHORT, "max_steps": STEPS, "save_steps": 5}
    deployment = life.deploy(hyperparameters=recipe, evaluation={"steps": 40})

    life.until(deployment, has_checkpoint_home, seconds=240)
    assert deployment.status == Status.TRAINING
    (first,) = deployment.machines.all()
    cloud.control("POST", f"machines/{first.instance_id}/vanish")
    life.until(deployment, seconds=300)

    assert_over(life, deployment, status=Status.COMPLETED, machines=2)
    second = deployment.machines.get(attempt=2)
    begun_after = second.events.get(kind="agent_started").data["step"]
    assert begun_after >= 5
    # I10: every step once, and what the second machine trained is its own.
    rows = deployment.job.metrics.filter(name="train/loss")
    machine_of = dict(rows.values_list("step", "machine__attempt"))
    assert sorted(machine_of) == list(range(1, STEPS + 1))
    assert {step for step, attempt in machine_of.items() if attempt == 2} == set(
        range(begun_after + 1, STEPS + 1)
    )
