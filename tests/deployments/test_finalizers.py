"""F83: no way of deleting reaches a row of a machine that may still bill."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse

from deployments.models import Deployment, Machine, Stray
from deployments.models.deployments import LaunchState, Status
from secrets_vault.models import VaultEntry
from tests.builders import NOON, make_deployment, make_machine, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def live() -> Machine:
    machine = make_machine(make_deployment(status=Status.TERMINATING))
    Stray.objects.create(
        vault_entry_id=machine.vault_entry_id,
        instance_id="stray",
        name="slwtst-stray",
        first_seen_at=NOON,
        last_seen_at=NOON,
        terminate_after=NOON,
    )
    return machine


@pytest.mark.parametrize(
    "delete",
    [
        lambda machine: machine.delete(),
        lambda _: Machine.objects.all().delete(),
        lambda machine: machine.deployment.delete(),
        lambda _: Deployment.objects.all().delete(),
        lambda _: VaultEntry.objects.all().delete(),
        lambda _: User.objects.all().delete(),
        lambda machine: machine.deployment.job.delete(),
        lambda _: Stray.objects.all().delete(),
    ],
)
def test_F83_neither_alone_nor_in_bulk_nor_by_cascade(
    delete: Callable[[Machine], object], live: Machine
) -> None:
    with pytest.raises(ProtectedError), transaction.atomic():
        delete(live)

    assert Machine.objects.get() == live
    assert Stray.objects.exists()


def test_F83_a_deployment_that_has_not_rented_yet_is_kept_too() -> None:
    deployment = make_deployment(status=Status.QUEUED)

    with pytest.raises(ProtectedError):
        deployment.delete()


@pytest.mark.parametrize(
    "gone", [{"gone_at": NOON}, {"launch_state": LaunchState.REFUSED}], ids=["gone", "refused"]
)
def test_what_is_proven_gone_can_be_deleted(gone: dict[str, object]) -> None:
    machine = make_machine(make_deployment(status=Status.CANCELLED), **gone)

    machine.delete()
    machine.deployment.delete()

    assert not Deployment.objects.exists()


@pytest.mark.parametrize("bulk", [False, True])
def test_F57_F83_a_user_with_a_live_machine_cannot_be_deleted_in_the_admin(
    bulk: bool, live: Machine
) -> None:
    owner = live.deployment.user
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))

    if bulk:
        chosen = {"action": "delete_selected", "_selected_action": [str(owner.pk)], "post": "yes"}
        client.post(reverse("admin:auth_user_changelist"), chosen)
    else:
        client.post(reverse("admin:auth_user_delete", args=[owner.pk]), {"post": "yes"})

    assert User.objects.filter(pk=owner.pk).exists()
    assert Machine.objects.filter(pk=live.pk).exists()
