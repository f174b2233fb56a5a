"""Whole lives in one process: the real rows, queue, clients and SSH; the sandbox is the cloud.

``Life`` does what a worker does, in a loop the test controls: claim what is due, then run what is
in the queue. Real processes, killed and restarted, are the business of test_kills.py.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from datasets.models import Dataset
from deployments import services, tasks
from deployments.models import Deployment
from deployments.services import ConfigInput, DeployRequest
from deployments.timing import Timing
from secrets_vault.services import add_entry
from tests import builders
from tests.sandbox_cloud import SandboxHandle

QUICK = Timing(
    poll_seconds=0.3,
    visibility_window_seconds=3,
    proof_interval_seconds=1.5,
    ssh_retry_seconds=0.3,
    capacity_retry_seconds=1,
    expected_boot_seconds=60,
    terminate_retry_seconds=0.3,
    terminate_retry_limit_seconds=1,
    terminate_repeat_seconds=0.5,
    request_interval_seconds=0.02,
    launch_interval_seconds=0.1,
    heartbeat_seconds=1,
    sweep_seconds=5,
)
# I8: what our bill may be over the cloud's.
TOLERATED_SECONDS = 2 * 60 + 60


@dataclass
class Life:
    """One user with a key and data at one sandbox cloud, and the worker's loop."""

    cloud: SandboxHandle
    user: User
    dataset: Dataset
    platform: str = "lambda"

    @classmethod
    def begin(
        cls,
        cloud: SandboxHandle,
        *,
        rows: list[dict[str, Any]] | None = None,
        platform: str = "lambda",
    ) -> "Life":
        user = builders.make_user()
        add_entry(user, provider=platform, secret=cloud.api_key)
        content = builders.json_lines(rows) if rows else None
        return cls(cloud, user, builders.make_dataset(user, content=content), platform)

    def deploy(
        self,
        *,
        base_model: str = "local:slipway-sample",
        method: str = "sft",
        hyperparameters: dict[str, Any] | None = None,
        evaluation: dict[str, Any] | None = None,
        export: dict[str, Any] | None = None,
        **request: Any,
    ) -> Deployment:
        """Accept a deployment as the API would, on the cheapest machine unless told otherwise."""
        config = services.save_config(
            self.user,
            ConfigInput(
                name="sums",
                base_model=base_model,
                method=method,
                dataset_id=str(self.dataset.pk),
                hyperparameters=hyperparameters,
                eval=evaluation,
                export=export,
            ),
        )
        asked = DeployRequest(
            training_config_id=str(config.pk),
            budget_limit=request.pop("budget_limit", Decimal("5.00")),
            instance_type=request.pop("instance_type", "gpu_1x_a10"),
            **request,
        )
        return services.deploy(self.user, self.platform, asked)

    def until(
        self,
        deployment: Deployment,
        reached: Callable[[Deployment], bool] = lambda d: d.is_terminal,
        *,
        seconds: float = 120,
    ) -> Deployment:
        """Work until the deployment is as wanted; fails the test with its story otherwise."""
        return until(deployment, reached, seconds=seconds)

    def work(self) -> None:
        """Claim what is due and run what is queued, both queues alike."""
        work()

    def ledger(self) -> list[dict[str, Any]]:
        """Return the cloud's own bill, a row for each machine ever launched."""
        entries: list[dict[str, Any]] = self.cloud.control("GET", "ledger")["entries"]
        return entries

    def live_machines(self) -> list[dict[str, Any]]:
        """Return the machines that live at the cloud, whatever its list says."""
        machines = self.cloud.control("GET", "machines")["machines"]
        return [machine for machine in machines if machine["status"] != "terminated"]


def until(
    deployment: Deployment,
    reached: Callable[[Deployment], bool] = lambda d: d.is_terminal,
    *,
    seconds: float = 120,
) -> Deployment:
    """Work until the deployment is as wanted; fails the test with its story otherwise."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        work()
        deployment.refresh_from_db()
        if reached(deployment):
            return deployment
        time.sleep(0.05)
    story = "\n".join(f"{e.at:%H:%M:%S} {e.kind}: {e.message}" for e in deployment.events.all())
    raise AssertionError(f"{deployment.status} after {seconds} s:\n{story}")


def work() -> None:
    """Claim what is due and run what is queued, both queues alike."""
    tasks.claim_due()
    for row in OrmQ.objects.order_by("pk"):
        task = row.task
        row.delete()
        import_string(task["func"])(*task["args"])


def error_of(deployment: Deployment) -> dict[str, Any]:
    """Return why it failed, as the user is told; fails the test when nothing is told."""
    assert deployment.error is not None, deployment.status
    assert deployment.error["message"]
    assert deployment.error["remedy"]
    assert deployment.error["bills"] is False
    error: dict[str, Any] = deployment.error
    return error


def assert_billed_right(life: Life, deployment: Deployment) -> None:
    """I8: never under the cloud's ledger, over it by at most 2 quanta and 60 s."""
    ledger = life.ledger()
    theirs = sum((Decimal(row["cost_cents"]) for row in ledger), Decimal(0)) / 100
    rates = [machine.hourly_price for machine in deployment.machines.all()]
    tolerated = theirs + sum(rates, Decimal(0)) * TOLERATED_SECONDS / 3600
    assert deployment.actual_cost is not None
    assert theirs <= deployment.actual_cost <= tolerated


def assert_over(life: Life, deployment: Deployment, *, status: str, machines: int) -> None:
    """The end as the user is told it: status, nothing left at the cloud, the bill agreed."""
    assert deployment.status == status, deployment.error
    assert life.live_machines() == []
    assert len(life.ledger()) == machines
    assert_billed_right(life, deployment)
