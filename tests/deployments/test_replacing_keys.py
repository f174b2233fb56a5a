"""A new key takes over from an old one only once it has shown that it sees every machine (F55).

The cloud is a real sandbox: it takes one key, so the old one is as a key that was revoked there.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from encrypted_model_fields.fields import decrypt_str
from pytest_django.fixtures import Settings

from core.errors import ConflictError, InvalidInputError, ProviderError
from core.models import AuditEntry
from core.time import database_now
from deployments import snapshot
from deployments.models import CloudSnapshot, Deployment, Machine, Stray
from deployments.models.deployments import LaunchState, Status
from secrets_vault.models import VaultEntry
from secrets_vault.services import delete_entry, open_secret, replace_secret
from tests import builders
from tests.builders import NOON
from tests.sandbox.client import Client as CloudClient
from tests.sandbox_cloud import SandboxHandle, running_sandbox

OLD = "secret_old-key_0123456789abcdef.0000OLDKEY0000"
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("cloud"), boot_seconds=0.0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: SandboxHandle, settings: Settings) -> Iterator[SandboxHandle]:
    settings.LAMBDA_API_BASE_URL = running.base_url
    settings.TIMING = replace(settings.TIMING, request_interval_seconds=0.0)
    yield running
    running.control("DELETE", "faults")


@pytest.fixture
def entry(sandbox: SandboxHandle) -> VaultEntry:
    return builders.make_vault_entry(secret=OLD)


@pytest.fixture
def rent(sandbox: SandboxHandle, entry: VaultEntry) -> Callable[[], Machine]:
    """Rent a machine at the cloud, and keep its row under the old key."""
    at_cloud = CloudClient(sandbox)

    def rented() -> Machine:
        deployment = builders.make_deployment(entry.user, status=Status.TRAINING)
        machine = builders.make_machine(deployment, seen_at=NOON)
        machine.instance_id = at_cloud.launch(name=machine.name)
        machine.save(update_fields=["instance_id"])
        return machine

    return rented


def sealed_text(entry: VaultEntry) -> str:
    """Return what is inside the row's sealed column, without any check."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT api_key_encrypted FROM secrets_vault WHERE fingerprint = %s",
            [VaultEntry.objects.get(pk=entry.pk).fingerprint],
        )
        return str(decrypt_str(cursor.fetchone()[0]))


def row_of(entry: VaultEntry) -> dict[str, Any]:
    return dict(VaultEntry.objects.filter(pk=entry.pk).values().get())


def test_F55_a_key_that_sees_every_machine_takes_over_in_the_same_entry(
    sandbox: SandboxHandle, entry: VaultEntry, rent: Callable[[], Machine]
) -> None:
    machines = [rent(), rent()]

    replaced = replace_secret(entry, secret=f" {sandbox.api_key}\n", actor=entry.user)

    assert replaced.pk == entry.pk
    assert open_secret(entry) == sandbox.api_key
    assert (replaced.hint, replaced.status) == (sandbox.api_key[-4:], VaultEntry.Status.OK)
    assert replaced.fingerprint != entry.fingerprint
    assert all(each.vault_entry == replaced for each in machines)


def test_F55_the_old_key_is_nowhere_in_the_row_afterwards(
    sandbox: SandboxHandle, entry: VaultEntry
) -> None:
    assert OLD in sealed_text(entry)

    replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    assert OLD not in sealed_text(entry)
    assert OLD not in str(row_of(entry))


def test_F55_the_deployment_goes_on_with_the_new_key_where_the_old_one_was_refused(
    sandbox: SandboxHandle, entry: VaultEntry, rent: Callable[[], Machine]
) -> None:
    machine = rent()
    refused = snapshot.list_cloud(entry.pk)
    CloudSnapshot.objects.update(next_list_at=None)
    assert (refused.error or {})["code"] == "E_AUTH"

    replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    due_at = CloudSnapshot.objects.get(vault_entry=entry).next_list_at
    assert due_at is not None
    assert due_at <= database_now()
    good = snapshot.list_cloud(entry.pk)
    assert (good.error, good.good_lists) == (None, 1)
    machine.refresh_from_db()
    assert machine.seen_at is not None
    assert machine.seen_at > NOON


def test_F55_a_key_of_another_account_is_refused_with_the_machines_it_cannot_see(
    sandbox: SandboxHandle, entry: VaultEntry, rent: Callable[[], Machine]
) -> None:
    machines = [rent(), rent()]
    sandbox.control("POST", "faults", {"on": "list", "kind": "foreign_list"})
    before = row_of(entry)

    with pytest.raises(ConflictError) as refused:
        replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    told = refused.value.details or []
    assert refused.value.code == "E_KEY_SEES_LESS"
    assert sorted(str(each["machine"]) for each in told if isinstance(each, dict)) == sorted(
        each.name for each in machines
    )
    assert row_of(entry) == before
    assert OLD in sealed_text(entry)


def test_F55_one_machine_that_is_not_shown_is_enough_to_keep_the_old_key(
    sandbox: SandboxHandle, entry: VaultEntry, rent: Callable[[], Machine]
) -> None:
    rent()
    hidden = builders.make_machine(builders.make_deployment(entry.user, status=Status.TRAINING))

    with pytest.raises(ConflictError) as refused:
        replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    (told,) = refused.value.details or []
    assert isinstance(told, dict)
    assert told["machine"] == hidden.name


def test_F18_F55_a_launch_without_an_answer_must_be_shown_by_its_name(
    sandbox: SandboxHandle, entry: VaultEntry, rent: Callable[[], Machine]
) -> None:
    machine = rent()
    Machine.objects.update(launch_state=LaunchState.UNKNOWN, instance_id="")
    Machine.objects.update(name="slwtst-nowhere")
    with pytest.raises(ConflictError):
        replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    Machine.objects.update(name=machine.name)

    assert replace_secret(entry, secret=sandbox.api_key).status == VaultEntry.Status.OK


def test_F21_F55_a_stray_must_be_shown_too(sandbox: SandboxHandle, entry: VaultEntry) -> None:
    Stray.objects.create(
        vault_entry=entry,
        instance_id="i-stray",
        name="slwtst-stray",
        first_seen_at=NOON,
        last_seen_at=NOON,
        terminate_after=NOON,
    )

    with pytest.raises(ConflictError) as refused:
        replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    assert refused.value.details == [{"machine": "slwtst-stray", "instance_id": "i-stray"}]


def test_F55_without_a_machine_to_prove_the_account_a_run_at_work_makes_the_new_key_wait(
    sandbox: SandboxHandle, entry: VaultEntry
) -> None:
    run = builders.make_deployment(entry.user, lease_until=database_now() + timedelta(hours=1))
    with pytest.raises(ConflictError) as refused:
        replace_secret(entry, secret=sandbox.api_key, actor=entry.user)
    assert refused.value.details == [{"deployment_id": str(run.pk)}]

    Deployment.objects.update(lease_until=None)

    assert replace_secret(entry, secret=sandbox.api_key).status == VaultEntry.Status.OK


def test_F4_F55_a_key_that_the_cloud_refuses_changes_nothing(entry: VaultEntry) -> None:
    before = row_of(entry)

    with pytest.raises(InvalidInputError) as refused:
        replace_secret(entry, secret="secret_wrong_0123456789abcdef.abc", actor=entry.user)

    assert (refused.value.code, refused.value.param) == ("E_KEY_REFUSED", "secret")
    assert row_of(entry) == before


def test_F58_a_cloud_that_does_not_answer_proves_nothing(
    sandbox: SandboxHandle, entry: VaultEntry
) -> None:
    sandbox.control("POST", "faults", {"on": "list", "kind": "status", "status": 503})
    before = row_of(entry)

    with pytest.raises(ProviderError):
        replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    assert row_of(entry) == before


def test_F55_of_two_new_keys_the_first_one_in_stays(
    sandbox: SandboxHandle, entry: VaultEntry
) -> None:
    as_seen_before = VaultEntry.objects.get(pk=entry.pk)
    replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    with pytest.raises(ConflictError) as late:
        replace_secret(as_seen_before, secret=sandbox.api_key, actor=entry.user)

    assert late.value.code == "E_KEY_CHANGED"
    assert AuditEntry.objects.filter(action="vault.key_replaced").count() == 1


def test_a_deleted_key_is_not_brought_back(sandbox: SandboxHandle, entry: VaultEntry) -> None:
    delete_entry(VaultEntry.objects.get(pk=entry.pk), actor=entry.user)

    with pytest.raises(ConflictError):
        replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    assert row_of(entry)["api_key_encrypted"] is None


def test_I19_the_audit_trail_tells_both_keys_by_hint_and_fingerprint_alone(
    sandbox: SandboxHandle, entry: VaultEntry
) -> None:
    replace_secret(entry, secret=sandbox.api_key, actor=entry.user)

    row = AuditEntry.objects.get(action="vault.key_replaced")
    assert (row.who, row.object_id) == (entry.user.username, str(entry.pk))
    assert row.data["old_fingerprint"] == entry.fingerprint
    assert row.data["fingerprint"] == VaultEntry.objects.get(pk=entry.pk).fingerprint
    assert OLD not in str(row.data)
    assert sandbox.api_key not in str(row.data)


def ask(entry: VaultEntry, body: object) -> Any:
    token = builders.make_token(entry.user)
    program = Client(headers={"Authorization": f"Bearer {token}"})
    address = f"/api/vault/entries/{entry.pk}/replace"
    return program.post(address, body, content_type="application/json")


def test_the_api_replaces_a_key_and_never_shows_it(
    sandbox: SandboxHandle, entry: VaultEntry
) -> None:
    answer = ask(entry, {"secret": sandbox.api_key})

    assert answer.status_code == 200
    assert answer.json()["id"] == str(entry.pk)
    assert answer.json()["hint"] == sandbox.api_key[-4:]
    assert sandbox.api_key not in answer.content.decode()


def test_the_api_says_which_machines_stand_in_the_way(
    sandbox: SandboxHandle, entry: VaultEntry, rent: Callable[[], Machine]
) -> None:
    machine = rent()
    sandbox.control("POST", "faults", {"on": "list", "kind": "foreign_list"})

    answer = ask(entry, {"secret": sandbox.api_key})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "E_KEY_SEES_LESS")
    assert [each["machine"] for each in error["details"]] == [machine.name]
    assert error["remedy"]


@pytest.mark.parametrize(
    ("body", "status"), [({}, 400), ({"secret": ""}, 400), ({"secret": "wrong-key"}, 400)]
)
def test_the_api_refuses_what_is_no_key(
    entry: VaultEntry, body: dict[str, str], status: int
) -> None:
    answer = ask(entry, body)

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, "secret")
