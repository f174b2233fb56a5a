"""Other people's objects cannot be told from unknown ones (I18, T2)."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from core.errors import NotFoundError
from core.lookups import get_owned
from core.models import ApiToken
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def make_row(user: Any) -> ApiToken:
    return ApiToken.objects.create(user=user, name="row", token_hash=uuid.uuid4().hex)


def refusal(user: Any, pk: Any) -> dict[str, Any]:
    with pytest.raises(NotFoundError) as refused:
        get_owned(ApiToken, user, pk)
    return refused.value.as_body()


def test_an_owner_finds_what_is_theirs_by_id_or_text() -> None:
    user = make_user()
    row = make_row(user)

    assert get_owned(ApiToken, user, row.pk) == row
    assert get_owned(ApiToken, user, str(row.pk)) == row


@pytest.mark.parametrize(
    "unknown", [uuid.UUID(int=1), "nonsense", "", "1", "x" * 999, "\0", 10**40]
)
def test_i18_somebody_elses_object_and_an_impossible_id_get_the_same_answer(unknown: Any) -> None:
    theirs = make_row(make_user())

    assert refusal(make_user(), theirs.pk) == refusal(make_user(), unknown)


def test_nobody_owns_nothing() -> None:
    row = make_row(make_user())

    assert refusal(AnonymousUser(), row.pk)["error"]["code"] == "E_NOT_FOUND"


def test_a_queryset_narrows_what_can_be_found() -> None:
    user = make_user()
    row = make_row(user)

    with pytest.raises(NotFoundError):
        get_owned(ApiToken.objects.filter(name="other"), user, row.pk)


def test_the_owner_may_be_found_along_a_path() -> None:
    user = make_user("ada")
    row = make_row(user)

    assert get_owned(ApiToken, user, row.pk, owner="user__pk") == row


def test_the_message_calls_the_object_by_its_name() -> None:
    assert refusal(make_user(), uuid.uuid4())["error"]["message"] == "There is no such api token."
