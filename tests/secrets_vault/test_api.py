"""``/api/vault/entries`` (API.md section 3): write-only, owner-bound, one error body."""

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from secrets_vault.kinds import CheckResult
from secrets_vault.models import VaultEntry
from secrets_vault.services import open_secret
from tests.builders import SECRET, make_token, make_user, make_vault_entry
from tests.secrets_vault.conftest import PracticeCloud

pytestmark = pytest.mark.django_db
ENTRIES = "/api/vault/entries"


def client_of(user: Any, *, scopes: tuple[str, ...] = ("read", "deploy")) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_token(user, scopes=scopes)}")
    return client


def test_a_key_is_sealed_and_the_answer_tells_what_is_known_of_it() -> None:
    user = make_user()

    response = client_of(user).post(
        ENTRIES, {"provider": "lambda", "secret": f" {SECRET}\n", "label": "mine"}, format="json"
    )

    assert response.status_code == 201
    body = response.json()
    assert (body["provider"], body["label"], body["hint"]) == ("lambda", "mine", SECRET[-4:])
    assert (body["status"], body["last_used_at"]) == ("unchecked", None)
    assert open_secret(VaultEntry.objects.get(pk=body["id"], user=user)) == SECRET


def test_t15_no_answer_ever_holds_the_secret(cloud: PracticeCloud) -> None:
    client = client_of(make_user())
    created = client.post(ENTRIES, {"provider": "lambda", "secret": SECRET}, format="json")
    address = f"{ENTRIES}/{created.json()['id']}"
    cloud.result = CheckResult(ok=False, message=f"{SECRET} is not valid.")

    answers = [
        created,
        client.get(ENTRIES),
        client.get(address),
        client.post(f"{address}/check"),
        client.post(ENTRIES, {"provider": "lambda", "secret": SECRET}, format="json"),
        client.post(ENTRIES, {"provider": "none", "secret": SECRET}, format="json"),
        client.post(ENTRIES, {"provider": "other", "secret": f"{SECRET}\0"}, format="json"),
        client.delete(address),
    ]

    sealed = list(VaultEntry.objects.values_list("fingerprint", flat=True))
    assert len(sealed) == 1
    for answer in answers:
        assert SECRET not in answer.content.decode()
        assert "api_key" not in answer.content.decode()


def test_an_unknown_provider_names_the_choices() -> None:
    response = client_of(make_user()).post(
        ENTRIES, {"provider": "nimbus", "secret": SECRET}, format="json"
    )

    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "provider")
    assert "lambda, other" in error["remedy"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"secret": SECRET}, "provider"),
        ({"provider": "lambda"}, "secret"),
        ({"provider": "lambda", "secret": ""}, "secret"),
        ({"provider": "lambda", "secret": "a\nb"}, "secret"),
        ({"provider": "lambda", "secret": SECRET, "label": "x" * 101}, "label"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, str], param: str) -> None:
    response = client_of(make_user()).post(ENTRIES, body, format="json")

    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_a_second_key_for_a_provider_is_a_conflict() -> None:
    entry = make_vault_entry()

    response = client_of(entry.user).post(
        ENTRIES, {"provider": "lambda", "secret": "another"}, format="json"
    )

    assert (response.status_code, response.json()["error"]["code"]) == (409, "E_KEY_EXISTS")


def test_the_list_holds_ones_own_keys_alone() -> None:
    mine = make_vault_entry()
    make_vault_entry()
    deleted = make_vault_entry(mine.user, provider="other")
    client = client_of(mine.user)
    client.delete(f"{ENTRIES}/{deleted.pk}")

    body = client.get(ENTRIES).json()

    assert [row["id"] for row in body["data"]] == [str(mine.pk)]
    assert (body["object"], body["has_more"]) == ("list", False)


def test_a_check_tells_what_the_provider_said(cloud: PracticeCloud) -> None:
    entry = make_vault_entry()
    cloud.result = CheckResult(ok=False, message="The key was revoked.")

    response = client_of(entry.user).post(f"{ENTRIES}/{entry.pk}/check")

    assert response.status_code == 200
    assert response.json()["status"] == "refused"
    assert response.json()["status_message"] == "The key was revoked."


def test_a_deleted_key_is_gone_for_good() -> None:
    entry = make_vault_entry()
    client = client_of(entry.user)

    deleted = client.delete(f"{ENTRIES}/{entry.pk}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(f"{ENTRIES}/{entry.pk}").status_code == 404
    assert client.delete(f"{ENTRIES}/{entry.pk}").status_code == 404
    assert client.post(f"{ENTRIES}/{entry.pk}/check").status_code == 404


def test_f55_a_key_in_use_is_kept_and_the_machines_are_listed(cloud: PracticeCloud) -> None:
    entry = make_vault_entry()
    cloud.uses = [{"machine": "slw1-a"}]

    response = client_of(entry.user).delete(f"{ENTRIES}/{entry.pk}")

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "E_KEY_IN_USE")
    assert error["details"] == [{"machine": "slw1-a"}]


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("delete", ""), ("post", "/check")])
def test_i18_somebody_elses_key_is_answered_like_an_unknown_one(
    cloud: PracticeCloud, method: str, path: str
) -> None:
    theirs = make_vault_entry()
    client = client_of(make_user())

    answers = [
        getattr(client, method)(f"{ENTRIES}/{pk}{path}")
        for pk in (theirs.pk, uuid.uuid4(), "nonsense")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert cloud.asked == []


@pytest.mark.parametrize(
    ("method", "path"), [("get", ""), ("post", ""), ("get", "/x"), ("delete", "/x")]
)
def test_t1_nobody_gets_in_unsigned(method: str, path: str) -> None:
    response = getattr(APIClient(), method)(f"{ENTRIES}{path}")

    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"


def test_a_token_that_may_only_read_adds_and_deletes_nothing() -> None:
    entry = make_vault_entry()
    client = client_of(entry.user, scopes=("read",))

    answers = [
        client.post(ENTRIES, {"provider": "other", "secret": SECRET}, format="json"),
        client.delete(f"{ENTRIES}/{entry.pk}"),
        client.post(f"{ENTRIES}/{entry.pk}/check"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert client.get(ENTRIES).status_code == 200
