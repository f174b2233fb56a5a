"""Programs are told what they may still ask, and refused beyond it (T1)."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.builders import make_token, make_user

pytestmark = pytest.mark.django_db


def program(**scopes: list[str]) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_token(make_user(), **scopes)}"})


def test_every_answer_says_what_is_left_of_the_minute() -> None:
    answer = program().get("/api/datasets")

    assert answer.headers["RateLimit-Limit"] == "600"
    assert answer.headers["RateLimit-Remaining"] == "599"
    assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60


def test_beyond_the_limit_a_program_is_told_when_to_come_back(settings: Settings) -> None:
    settings.API_READS_PER_MINUTE = 2
    client = program()

    answers = [client.get("/api/datasets") for _ in range(4)]

    # A full minute may end in between: then the count begins anew once.
    refused = answers[-1] if answers[-1].status_code == 429 else answers[-2]
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert (error["code"], error["type"]) == ("E_RATE_LIMITED", "rate_limit_error")
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
    assert refused.headers["RateLimit-Remaining"] == "0"


def test_reads_and_changes_are_counted_apart_and_so_are_tokens(settings: Settings) -> None:
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 1
    client = program()

    assert client.get("/api/datasets").status_code == 200
    assert client.post("/api/training/configs", {}).headers["RateLimit-Remaining"] == "0"
    assert program().get("/api/datasets").status_code == 200


def test_t1_wrong_tokens_are_refused_more_and_more_firmly_and_good_ones_are_not(
    settings: Settings,
) -> None:
    settings.REFUSED_TOKENS_PER_MINUTE = 2
    guesser = Client(headers={"Authorization": "Bearer slw_guess"})

    statuses = [guesser.get("/api/datasets").status_code for _ in range(6)]

    assert set(statuses) == {401, 429}
    assert program().get("/api/datasets").status_code == 200


def test_routes_whose_token_lies_in_the_address_count_by_address(settings: Settings) -> None:
    settings.TOKEN_ROUTE_CALLS_PER_MINUTE = 1
    here, there = Client(REMOTE_ADDR="203.0.113.1"), Client(REMOTE_ADDR="203.0.113.2")

    statuses = [here.get("/api/datasets/download?token=x").status_code for _ in range(3)]

    assert set(statuses) == {403, 429}
    assert there.get("/api/datasets/download?token=x").status_code == 403
