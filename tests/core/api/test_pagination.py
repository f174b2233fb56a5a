"""Lists are newest first; the cursor is an id, so rows added meanwhile shift nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from core.api.pagination import NewestFirst, page
from core.errors import InvalidInputError
from core.models import ApiToken
from tests.builders import make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_rows(user: User, count: int, *, apart: timedelta = timedelta(minutes=1)) -> list[ApiToken]:
    return [
        ApiToken.objects.create(
            user=user, name=str(n), token_hash=f"{user.pk}-{n}", created_at=NOON + n * apart
        )
        for n in range(count)
    ]


def ask(user: User, **query: Any) -> tuple[list[str], bool]:
    paginator = NewestFirst()
    request = Request(APIRequestFactory().get("/", query))
    rows = paginator.paginate_queryset(ApiToken.objects.filter(user=user), request)
    body = paginator.get_paginated_response([row.name for row in rows]).data
    assert body["object"] == "list"
    return body["data"], body["has_more"]


def test_a_list_is_newest_first_and_twenty_rows_long() -> None:
    user = make_user()
    make_rows(user, 21)

    names, has_more = ask(user)

    assert names == [str(n) for n in range(20, 0, -1)]
    assert has_more


def test_following_the_cursor_meets_every_row_once_even_of_one_moment() -> None:
    user = make_user()
    rows = make_rows(user, 7, apart=timedelta(0))
    met: list[str] = []

    after: dict[str, Any] = {}
    has_more = True
    while has_more:
        names, has_more = ask(user, limit=2, **after)
        met += names
        after = {"after": next(row.pk for row in rows if row.name == names[-1])}

    assert sorted(met) == [str(n) for n in range(7)]


def test_a_row_added_meanwhile_shifts_nothing() -> None:
    user = make_user()
    rows = make_rows(user, 4)
    first, _ = ask(user, limit=2)

    ApiToken.objects.create(user=user, name="new", token_hash="new")
    second, has_more = ask(user, limit=2, after=rows[2].pk)

    assert (first, second, has_more) == (["3", "2"], ["1", "0"], False)


def test_a_limit_above_a_hundred_gives_a_hundred() -> None:
    user = make_user()
    make_rows(user, 101)

    names, has_more = ask(user, limit=5000)

    assert (len(names), has_more) == (100, True)


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "", "²", "9" * 30])
def test_a_limit_that_is_no_number_of_rows_is_refused_by_name(limit: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        ask(make_user(), limit=limit)

    assert refused.value.param == "limit"


@pytest.mark.parametrize("after", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_cursor_that_names_no_row_is_refused(after: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        ask(make_user(), after=after)

    assert refused.value.param == "after"


def test_somebody_elses_row_is_no_cursor() -> None:
    theirs = make_rows(make_user(), 1)[0]

    with pytest.raises(InvalidInputError):
        ask(make_user(), after=theirs.pk)


def test_rows_from_elsewhere_take_the_same_form() -> None:
    assert page(({"a": 1},), has_more=True) == {
        "object": "list",
        "data": [{"a": 1}],
        "has_more": True,
    }
