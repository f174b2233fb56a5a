"""A whole life on RunPod's wire: a pod, real SSH on a port of its own, an adapter at home."""

import pytest
from pytest_django.fixtures import Settings

from deployments.models import Artifact
from deployments.models.deployments import Status
from tests.end_to_end.life import Life, assert_over
from tests.end_to_end.test_training import SHORT, eval_losses, problems
from tests.sandbox_cloud import SandboxHandle

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_training"),
]


def test_a_whole_life_on_a_pod_ends_with_an_adapter_and_a_bill_that_agrees(
    cloud: SandboxHandle, settings: Settings
) -> None:
    settings.RUNPOD_API_BASE_URL = f"{cloud.root_url}/v2"
    life = Life.begin(cloud, rows=problems(120), platform="runpod")

    deployment = life.until(
        life.deploy(
            instance_type="auto",
            hyperparameters=SHORT | {"max_steps": 6},
            evaluation={"steps": 6},
        ),
        seconds=240,
    )

    assert_over(life, deployment, status=Status.COMPLETED, machines=1)
    losses = eval_losses(deployment)
    assert losses[-1] < losses[0]
    assert Artifact.objects.filter(deployment=deployment).exists()
    (pod,) = deployment.machines.all()
    assert (pod.platform, pod.billing_quantum_seconds) == ("runpod", 1)
    assert pod.seen_ssh_port not in (None, 22)
    # The key that the pod's own log told, not the one that it showed first (T7).
    assert deployment.events.filter(message__startswith="The machine's own log confirms").exists()
