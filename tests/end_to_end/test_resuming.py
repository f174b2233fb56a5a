"""A run is broken off in the middle, and a person has it go on, on another machine, to its end."""

from decimal import Decimal

import pytest

from deployments import checkpoints, sample_rows, services
from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.services import Changes, DeployRequest
from tests.end_to_end.life import Life
from tests.end_to_end.test_training import SHORT, problems
from tests.sandbox_cloud import SandboxHandle

pytestmark = [
    pytest.mark.full,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_resuming"),
]
STEPS = 60
RECIPE = {**SHORT, "max_steps": STEPS, "save_steps": 5, "lora_dropout": 0.1}
EVALUATION = {"steps": 20, "samples": 2}
ANOTHER_MACHINE = DeployRequest(instance_type="gpu_1x_a100_sxm4", budget_limit=Decimal(5))


def losses(deployment: Deployment) -> dict[tuple[str, int], float | None]:
    rows = deployment.job.metrics.filter(name__in=["train/loss", "eval/loss", "train/grad_norm"])
    return {(row.name, row.step): row.value for row in rows}


def has_checkpoint_home(deployment: Deployment) -> bool:
    return deployment.is_terminal or checkpoints.at_home(deployment.job_id).exists()


def test_a_run_killed_and_resumed_by_a_person_on_another_machine_is_the_unbroken_one(
    cloud: SandboxHandle,
) -> None:
    life = Life.begin(cloud, rows=problems(400))
    unbroken = life.until(life.deploy(hyperparameters=RECIPE, evaluation=EVALUATION), seconds=240)
    assert unbroken.status == Status.COMPLETED, unbroken.error

    first = life.deploy(hyperparameters=RECIPE, evaluation=EVALUATION, max_attempts=1)
    life.until(first, has_checkpoint_home, seconds=240)
    (machine,) = first.machines.all()
    cloud.control("POST", f"machines/{machine.instance_id}/vanish")
    life.until(first, seconds=240)
    assert first.status == Status.FAILED
    second = services.resume(first.job, ANOTHER_MACHINE)
    life.until(second, seconds=240)

    assert second.status == Status.COMPLETED, second.error
    assert second.job == first.job
    (other,) = second.machines.all()
    assert other.instance_type != machine.instance_type
    begun_after = other.events.get(kind="agent_started").data["step"]
    assert 5 <= begun_after < STEPS
    assert losses(second) == losses(unbroken)
    assert life.live_machines() == []
    (whole,), (resumed,) = unbroken.artifacts.all(), second.artifacts.all()
    weights = "adapter/adapter_model.safetensors"
    digests = [{f["name"]: f["sha256"] for f in a.files}[weights] for a in (whole, resumed)]
    assert digests[0] == digests[1]
    # The same prompts, and the same answers at the end.
    told, again = (sample_rows.of_job(d.job) for d in (unbroken, second))
    assert len(told) == 2
    assert [s.prompt for s in told] == [s.prompt for s in again]
    assert [s.newest and s.newest.answer for s in told] == [
        s.newest and s.newest.answer for s in again
    ]
    check_longer_and_continued(life, second)


def check_longer_and_continued(life: Life, ended: Deployment) -> None:
    """More steps go on where a completed run ended; a new run starts from its adapter."""
    longer = services.resume(ended.job, ANOTHER_MACHINE, changes=Changes({"max_steps": STEPS + 10}))
    config = services.clone(ended.job, {"hyperparameters": {"max_steps": 5, "save_steps": None}})
    continued = services.deploy(
        life.user,
        "lambda",
        DeployRequest(
            training_config_id=str(config.pk),
            instance_type="gpu_1x_a10",
            budget_limit=Decimal(5),
            adapter_from=str(ended.job_id),
        ),
    )
    for each in (longer, continued):
        life.until(each, seconds=240)
        assert each.status == Status.COMPLETED, each.error

    steps = longer.job.metrics.filter(name="train/loss").values_list("step", flat=True)
    assert sorted(steps) == list(range(STEPS + 1, STEPS + 11))
    before, after = losses(ended)["eval/loss", STEPS], losses(continued)["eval/loss", 0]
    assert after == pytest.approx(before, rel=1e-4)
