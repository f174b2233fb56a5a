"""What keeps a key or a dataset from being deleted (F7, F55)."""

import pytest

from core.errors import ConflictError
from deployments import registration
from deployments.models import Machine, Stray
from deployments.models.deployments import TERMINAL, LaunchState, Status
from secrets_vault.models import VaultEntry
from secrets_vault.services import delete_entry
from tests import builders
from tests.builders import NOON

pytestmark = pytest.mark.django_db


def rented(**fields: object) -> Machine:
    deployment = builders.make_deployment(status=Status.COMPLETED, completed_at=NOON)
    return builders.make_machine(deployment, **fields)


def is_kept(entry: VaultEntry) -> bool:
    """Say whether the key can not be deleted now."""
    try:
        delete_entry(entry, actor=entry.user)
    except ConflictError as refusal:
        return bool(refusal.details)
    return False


def test_F55_a_key_is_kept_while_a_machine_under_it_may_live() -> None:
    machine = rented()

    assert is_kept(machine.vault_entry)
    Machine.objects.update(gone_at=NOON)
    assert not is_kept(machine.vault_entry)


@pytest.mark.parametrize("state", [LaunchState.INTENT, LaunchState.UNKNOWN])
def test_F55_a_key_is_kept_while_a_launch_is_unclear(state: LaunchState) -> None:
    assert is_kept(rented(launch_state=state, instance_id="").vault_entry)


@pytest.mark.parametrize("state", [LaunchState.REFUSED, LaunchState.NEVER_SEEN])
def test_F55_launches_that_came_to_nothing_keep_no_key(state: LaunchState) -> None:
    assert not is_kept(rented(launch_state=state, instance_id="").vault_entry)


def test_F21_F55_a_key_is_kept_while_a_stray_under_it_may_live() -> None:
    entry = builders.make_vault_entry()
    Stray.objects.create(
        vault_entry=entry,
        instance_id="i-stray",
        name="slwtst-stray",
        first_seen_at=NOON,
        last_seen_at=NOON,
        terminate_after=NOON,
    )

    assert is_kept(entry)
    Stray.objects.update(gone_at=NOON)
    assert not is_kept(entry)


@pytest.mark.parametrize("status", sorted(set(Status) - TERMINAL))
def test_F55_a_key_is_kept_by_a_deployment_that_may_yet_rent(status: Status) -> None:
    deployment = builders.make_deployment(status=status)

    (use,) = registration.machines_under(deployment.vault_entry)

    assert use == {"deployment_id": str(deployment.pk)}
    assert is_kept(deployment.vault_entry)


def test_F7_data_is_used_by_live_deployments_and_by_configs() -> None:
    live = builders.make_deployment(status=Status.TRAINING)
    dataset = live.job.dataset
    over = builders.make_deployment(
        job=builders.make_job(live.user, training_config=live.training_config),
        status=Status.COMPLETED,
    )

    uses = registration.uses_of_dataset(dataset)

    assert {"deployment_id": str(live.pk), "name": live.name} in uses
    assert {"training_config_id": str(live.training_config_id), "name": "Sums"} in uses
    assert str(over.pk) not in str(uses)
