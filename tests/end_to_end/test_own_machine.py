"""Runs on a machine that their owner already has, through Debian's sshd, to an adapter at home."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from core.time import database_now
from deployments import reaper, services, spending
from deployments.models import Artifact, Deployment
from deployments.models.deployments import Status
from deployments.services import ConfigInput, DeployRequest
from secrets_vault.models import VaultEntry
from secrets_vault.services import add_entry
from tests import builders
from tests.end_to_end.life import QUICK, until
from tests.own_host import LOOPBACK, OwnHost, running_own_host
from tests.trainer import sample_data, sample_model, trainer_python

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_training"),
]
SHORT = {
    "learning_rate": 5e-3,
    "max_steps": 6,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
}


@pytest.fixture
def machine(tmp_path: Path, settings: Settings) -> Iterator[OwnHost]:
    settings.LOCAL_MODELS_DIR = sample_model().parent
    settings.ALLOW_CPU_MACHINES = True
    settings.SSH_NETWORKS = LOOPBACK
    settings.TIMING = QUICK
    with running_own_host(tmp_path / "own", python=trainer_python()) as own:
        yield own


def own_entry(
    user: User, machine: OwnHost, *, price: str = "0", name: str = "gpu-box"
) -> VaultEntry:
    """Add the machine as its owner does: by the fingerprint they have compared."""
    host = machine.host(name=name, price=price, host_key=machine.fingerprint)
    return add_entry(user, provider="ssh", secret=host.sealed())


def deploy(user: User, **request: object) -> Deployment:
    lines = (sample_data() / "chat.jsonl").read_text(encoding="utf-8").splitlines()[:120]
    rows = [json.loads(line) for line in lines]
    dataset = builders.make_dataset(user, content=builders.json_lines(rows))
    config = services.save_config(
        user,
        ConfigInput(
            name="sums",
            base_model="local:slipway-sample",
            dataset_id=str(dataset.pk),
            hyperparameters=SHORT,
        ),
    )
    asked = {"training_config_id": str(config.pk), "budget_limit": Decimal("1.00"), **request}
    return services.deploy(user, "ssh", DeployRequest(**asked))  # type: ignore[arg-type]  # built


def test_a_run_on_ones_own_machine_brings_the_adapter_home_costs_nothing_and_leaves_nothing(
    machine: OwnHost,
) -> None:
    user = builders.make_user()
    entry = own_entry(user, machine)

    deployment = deploy(user)
    until(deployment, lambda d: d.status == Status.TRAINING)
    held = machine.taken.read_text(encoding="utf-8").strip()
    sweep = reaper.sweep_account(entry)
    deployment = until(deployment, seconds=240)

    assert deployment.status == Status.COMPLETED, deployment.error
    (row,) = deployment.machines.all()
    assert (row.name, row.instance_type, row.hourly_price) == (held, "gpu-box", Decimal(0))
    assert row.host_public_key.split()[:2] == machine.host_key.public_key.split()[:2]
    assert Artifact.objects.filter(deployment=deployment).exists()
    # Money: nothing, everywhere.
    assert (deployment.actual_cost, row.billed_usd) == (Decimal(0), Decimal(0))
    assert spending.spent_since(user, deployment.created_at, now=database_now()) == 0
    # The machine is as it was: free, with none of the run's processes and files.
    assert not machine.taken.exists()
    assert not (machine.home / "slipway" / held).exists()
    assert machine.living() == []
    assert machine.processes[0].poll() is None
    # The second stopper saw it at work and let it be.
    (finding,) = sweep.findings
    assert (finding.instance.name, finding.wanted, finding.ended) == (held, True, False)
