"""The vault's page: a key is checked live, sealed, known by its hint, and deleted when idle."""

import re

import pytest
import responses
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from deployments.providers import rented
from secrets_vault.models import VaultEntry
from secrets_vault.services import open_secret
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in

NEW_SECRET = "secret_rotated_fedcba9876543210.q7R2t9XzKnewKey"
NEW = {"provider": "lambda", "secret": builders.SECRET}
REFUSAL = {
    "error": {
        "code": "global/invalid-api-key",
        "message": "API key was invalid, expired, or deleted.",
        "suggestion": "",
    }
}


def keys_of(user: User) -> list[VaultEntry]:
    return list(VaultEntry.objects.active().filter(user=user))


@pytest.fixture
def takes_keys(cloud: responses.RequestsMock) -> responses.RequestsMock:
    cloud.get(re.compile(f"{BASE_URL}/.*"), json={"data": []})
    return cloud


def test_a_key_that_works_is_sealed_and_shown_by_its_hint(
    user: User, reader: Client, takes_keys: responses.RequestsMock
) -> None:
    response = reader.post("/vault/add/", NEW, follow=True)

    (entry,) = keys_of(user)
    page = response.content.decode()
    assert open_secret(entry) == builders.SECRET
    assert entry.status == VaultEntry.Status.OK
    assert "The Lambda key works and is sealed." in page
    assert "ends in <code>8pLd</code>" in page
    assert builders.SECRET not in page


def test_a_key_added_on_the_first_visit_leads_back_to_the_next_step(
    user: User, reader: Client, takes_keys: responses.RequestsMock
) -> None:
    response = reader.post("/vault/add/", NEW | {"next": "runs"})

    assert response["Location"] == "/"


def test_f4_a_key_that_the_cloud_refuses_is_not_saved_and_the_field_says_why(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    cloud.get(re.compile(f"{BASE_URL}/.*"), status=401, json=REFUSAL)
    cloud.remove("GET", f"{BASE_URL}/instance-types")

    response = reader.post("/vault/add/", NEW)

    page = response.content.decode()
    assert response.status_code == 200
    assert "It was not saved." in page
    assert 'aria-invalid="true"' in page
    assert keys_of(user) == []


def test_i17_a_key_that_was_refused_is_never_sent_back(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    cloud.get(re.compile(f"{BASE_URL}/.*"), status=401, json=REFUSAL)

    page = reader.post("/vault/add/", NEW).content.decode()

    assert builders.SECRET not in page


def test_a_key_that_could_not_be_checked_is_kept_and_said_to_be_unchecked(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    cloud.get(re.compile(f"{BASE_URL}/.*"), status=503)
    cloud.remove("GET", f"{BASE_URL}/instance-types")

    page = reader.post("/vault/add/", NEW, follow=True).content.decode()

    assert "could not be checked" in page
    assert "Not checked" in page
    assert len(keys_of(user)) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"secret": ""}, "Paste the key here."),
        ({"secret": "two\nlines of text"}, "Copy the key again"),
        ({"provider": "nowhere"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_a_key_is_told_beside_its_field(
    user: User, reader: Client, given: dict[str, str], told: str
) -> None:
    response = reader.post("/vault/add/", NEW | given)

    assert response.status_code == 200
    assert told in response.content.decode()
    assert keys_of(user) == []


def test_a_second_key_for_the_same_cloud_is_refused_with_the_way_out(
    user: User, reader: Client
) -> None:
    builders.make_vault_entry(user)

    page = reader.post("/vault/add/", NEW).content.decode()

    assert "You have a key for Lambda already. Replace that key" in page


def test_with_a_key_for_every_cloud_none_can_be_added_and_each_can_be_replaced(
    user: User, reader: Client
) -> None:
    entries = [builders.make_vault_entry(user, provider=platform) for platform in rented()]

    page = reader.get("/vault/").content.decode()

    for entry in entries:
        assert f"/vault/{entry.pk}/replace/" in page
    assert 'id="add-title"' not in page


def test_f55_a_new_key_takes_over_and_is_known_by_its_own_hint(
    user: User, reader: Client, takes_keys: responses.RequestsMock
) -> None:
    entry = builders.make_vault_entry(user)

    asked = reader.get(f"/vault/{entry.pk}/replace/").content.decode()
    response = reader.post(f"/vault/{entry.pk}/replace/", {"secret": NEW_SECRET}, follow=True)

    page = response.content.decode()
    assert "Replace the Lambda key ending in 8pLd" in asked
    assert "The new Lambda key works and has taken over." in page
    assert "ends in <code>wKey</code>" in page
    assert NEW_SECRET not in page
    assert open_secret(entry) == NEW_SECRET


def test_f55_a_new_key_that_sees_not_every_machine_is_refused_with_the_list(
    user: User, reader: Client, takes_keys: responses.RequestsMock
) -> None:
    deployment = scenes.preparing(user)
    (entry,) = keys_of(user)

    response = reader.post(f"/vault/{entry.pk}/replace/", {"secret": NEW_SECRET})

    page = response.content.decode()
    assert response.status_code == 409
    assert deployment.machines.get().name in page
    assert "E_KEY_SEES_LESS" in page
    assert NEW_SECRET not in page
    assert open_secret(entry) == builders.SECRET


def test_f55_a_new_key_that_the_cloud_refuses_is_told_beside_its_field(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    cloud.get(re.compile(f"{BASE_URL}/.*"), status=401, json=REFUSAL)
    entry = builders.make_vault_entry(user)

    page = reader.post(f"/vault/{entry.pk}/replace/", {"secret": NEW_SECRET}).content.decode()

    assert 'aria-invalid="true"' in page
    assert "The old key is still in place." in page
    assert open_secret(entry) == builders.SECRET


def test_f58_while_the_cloud_does_not_answer_the_old_key_stays(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    cloud.get(re.compile(f"{BASE_URL}/.*"), status=503)
    entry = builders.make_vault_entry(user)

    response = reader.post(f"/vault/{entry.pk}/replace/", {"secret": NEW_SECRET})

    assert response.status_code == 502
    assert "E_PROVIDER_UNREACHABLE" in response.content.decode()
    assert open_secret(entry) == builders.SECRET


def test_a_key_can_be_checked_again(
    user: User, reader: Client, takes_keys: responses.RequestsMock
) -> None:
    entry = builders.make_vault_entry(user)

    page = reader.post(f"/vault/{entry.pk}/check/", follow=True).content.decode()

    assert "The Lambda key works." in page
    assert "Works" in page


def test_deleting_says_first_what_is_lost_and_what_is_kept(user: User, reader: Client) -> None:
    entry = builders.make_vault_entry(user)

    page = reader.get(f"/vault/{entry.pk}/delete/").content.decode()

    assert "Delete the Lambda key ending in 8pLd?" in page
    assert "Lost:" in page
    assert len(keys_of(user)) == 1


def test_a_key_that_nothing_needs_is_deleted(user: User, reader: Client) -> None:
    entry = builders.make_vault_entry(user)

    page = reader.post(f"/vault/{entry.pk}/delete/", follow=True).content.decode()

    assert "The Lambda key is deleted." in page
    assert keys_of(user) == []


def test_f55_a_key_with_machines_is_kept_and_the_machines_are_named(
    user: User, reader: Client
) -> None:
    deployment = scenes.preparing(user)
    (entry,) = keys_of(user)

    response = reader.post(f"/vault/{entry.pk}/delete/")

    page = response.content.decode()
    assert response.status_code == 409
    assert "This key is still needed" in page
    assert deployment.machines.get().name in page
    assert "E_KEY_IN_USE" in page
    assert keys_of(user) == [entry]


def test_f80_a_key_that_does_not_open_any_more_is_still_listed_and_can_be_deleted(
    user: User, reader: Client
) -> None:
    entry = builders.make_vault_entry(user)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE secrets_vault SET api_key_encrypted = 'broken'")

    listed = reader.get("/vault/")
    checked = reader.post(f"/vault/{entry.pk}/check/")
    reader.post(f"/vault/{entry.pk}/delete/")

    assert "ends in" in listed.content.decode()
    assert checked.status_code == 500
    assert "cannot be opened" in checked.content.decode()
    assert keys_of(user) == []


@pytest.mark.parametrize("deed", ["check", "replace", "delete"])
def test_t2_somebody_elses_key_is_not_found(user: User, deed: str) -> None:
    entry = builders.make_vault_entry(user)

    response = signed_in(builders.make_user()).post(f"/vault/{entry.pk}/{deed}/")

    assert response.status_code == 404
    assert keys_of(user) == [entry]


def test_t2_the_list_shows_only_ones_own_keys(user: User) -> None:
    builders.make_vault_entry(user)

    page = signed_in(builders.make_user()).get("/vault/").content.decode()

    assert "8pLd" not in page
