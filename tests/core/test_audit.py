"""The audit trail is written once and never changed (I19, T15)."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.test import Client

from core import audit
from core.models import AuditEntry
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_did_what_to_which_object() -> None:
    user = make_user("ada")

    audit.record("user.renamed", actor=user, obj=user, before="eva")

    entry = AuditEntry.objects.get()
    assert (entry.who, entry.actor_id, entry.action) == ("ada", user.pk, "user.renamed")
    assert (entry.object_type, entry.object_id) == ("User", str(user.pk))
    assert entry.data == {"before": "eva"}


@pytest.mark.parametrize("nobody", [None, AnonymousUser()])
def test_what_slipway_does_by_itself_is_the_systems(nobody: AnonymousUser | None) -> None:
    entry = audit.record("machine.ended", actor=nobody, obj=None)

    assert (entry.who, entry.actor_id, entry.object_type) == ("system", None, "")


def test_i19_no_way_of_the_orm_changes_an_entry() -> None:
    entry = audit.record("a", actor=None, obj=None)
    entry.action = "b"

    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()
    with pytest.raises(TypeError):
        AuditEntry.objects.update(action="b")
    with pytest.raises(TypeError):
        AuditEntry.objects.all().delete()
    with pytest.raises(TypeError), transaction.atomic():
        AuditEntry.objects.bulk_update([entry], ["action"])

    assert AuditEntry.objects.values_list("action", flat=True).get() == "a"


def test_an_entry_outlives_its_user_with_the_name() -> None:
    user = make_user("ada")
    audit.record("a", actor=user, obj=None)
    gone = user.pk

    user.delete()

    entry = AuditEntry.objects.get()
    assert (entry.who, entry.actor_id) == ("ada", gone)


def test_t15_an_administrator_can_read_entries_and_nothing_else(client: Client) -> None:
    entry = audit.record("machine.ended", actor=None, obj=None)
    client.force_login(make_user(is_staff=True, is_superuser=True))

    listed = client.get("/admin/core/auditentry/")
    shown = client.get(f"/admin/core/auditentry/{entry.pk}/change/")
    refused = [
        client.get("/admin/core/auditentry/add/"),
        client.post(f"/admin/core/auditentry/{entry.pk}/change/", {"action": "b"}),
        client.post(f"/admin/core/auditentry/{entry.pk}/delete/", {"post": "yes"}),
    ]

    assert b"machine.ended" in listed.content
    assert shown.status_code == 200
    assert {response.status_code for response in refused} == {403}
    assert AuditEntry.objects.get().action == "machine.ended"
