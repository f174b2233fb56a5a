"""Whoever is refused leaves an audit row, and cannot fill the table with them (I19, T1)."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from core import audit
from core.models import AuditEntry
from tests.builders import make_config, make_token, make_user

pytestmark = pytest.mark.django_db


def rows(action: str) -> list[Any]:
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


def test_I19_asking_for_what_is_another_users_is_written_down_and_so_is_an_unknown_id() -> None:
    theirs, unknown = make_config(make_user("owner")), uuid4()
    client = Client()
    client.force_login(make_user("stranger"))

    for config_id in (theirs.pk, unknown, "no-id"):
        assert client.get(f"/api/training/configs/{config_id}").status_code == 404

    found = rows("access.denied")
    assert [(each.who, each.data["id"], each.data["exists"]) for each in found] == [
        ("stranger", str(theirs.pk), True),
        ("stranger", str(unknown), False),
    ]


def test_I19_a_scope_that_a_token_lacks_is_written_down_without_the_token() -> None:
    token = make_token(make_user("ada"), scopes=["read"])
    client = Client(headers={"Authorization": f"Bearer {token}"})

    assert client.post("/api/training/configs", {}).status_code == 403

    (entry,) = rows("scope.denied")
    assert (entry.who, entry.data["scope"]) == ("ada", "deploy")
    assert token not in str(vars(entry))


def test_I19_tokens_that_are_not_good_are_written_down_without_them() -> None:
    guesser = Client(REMOTE_ADDR="203.0.113.7", headers={"Authorization": "Bearer slw_guess"})

    assert guesser.get("/api/datasets").status_code == 401

    (entry,) = rows("token.refused")
    assert entry.data == {"network": "203.0.113.7"}


def test_I19_a_refused_sign_in_is_written_down_without_the_name() -> None:
    client = Client(REMOTE_ADDR="203.0.113.7")

    client.post("/login/", {"username": "hunter2", "password": "wrong"})

    (entry,) = rows("sign_in.refused")
    assert entry.data == {"network": "203.0.113.7"}
    assert "hunter2" not in str(vars(entry))


def test_T1_nobody_fills_the_table_by_being_refused(settings: Settings) -> None:
    settings.REFUSED_TOKENS_PER_MINUTE = 10**6
    guesser = Client(headers={"Authorization": "Bearer slw_guess"})

    for _ in range(3 * audit.DENIALS_BY_ONE):
        guesser.get("/api/datasets")

    # A full minute may end in between: then the count begins anew once.
    found = rows("token.refused")
    assert audit.DENIALS_BY_ONE <= len(found) <= 2 * audit.DENIALS_BY_ONE
    assert [each for each in found if "last_of_this_minute" in each.data]


def test_T1_nor_do_many_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "DENIALS_BY_ALL", 3)

    for number in range(12):
        audit.record_denied("token.refused", caller=f"network {number}")

    assert 3 <= len(rows("token.refused")) <= 6
