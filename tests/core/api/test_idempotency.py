"""A creating request that is sent again takes effect once (F1, T26)."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from core.api.idempotency import CUT_OFF_AFTER, HEADER, KEPT, REPLAYED, creates
from core.errors import ConflictError
from core.models import ApiToken, FirstAnswer
from core.time import database_now
from datasets.models import Dataset
from tests.builders import chat_rows, json_lines, make_token, make_user
from tests.deployments.lifecycle.threads import at_once

KEY = "0d9c2f3e-6a1b-4c8d-9e7f-001122334455"
pytestmark = pytest.mark.django_db


class Workshop(APIView):
    """Makes a thing each time it is asked, and fails as it is told."""

    made: list[Any] = []
    fails: list[Exception] = []

    @creates("thing", shown_once=["secret"])
    def post(self, request: Request, place: str = "") -> Response:
        """Make a thing."""
        if self.fails:
            raise self.fails.pop()
        self.made.append(request.data)
        return Response({"number": len(self.made), "secret": "s3cret-s3cret"}, status=201)


@pytest.fixture(autouse=True)
def workshop() -> None:
    Workshop.made.clear()
    Workshop.fails.clear()


@pytest.fixture
def user() -> User:
    return make_user()


def send(user: User, body: object, *, key: str | None = KEY, path: str = "/api/things") -> Any:
    headers = {} if key is None else {HEADER: key}
    request = APIRequestFactory().post(path, body, format="json", headers=headers)
    force_authenticate(request, user=user)
    response: Any = Workshop.as_view()(request)
    # A repeat is a plain response, finished already.
    return response.render() if isinstance(response, Response) else response


def code(response: Any) -> str:
    found: str = response.data["error"]["code"]
    return found


def test_f1_the_same_request_again_has_no_effect_and_is_answered_alike(user: User) -> None:
    first = send(user, {"size": 1})

    again = send(user, {"size": 1})

    assert Workshop.made == [{"size": 1}]
    assert (again.status_code, again.headers[REPLAYED]) == (first.status_code, "true")
    assert REPLAYED not in first.headers


def test_f1_white_space_and_order_make_no_other_request(user: User) -> None:
    client = Client(headers={"Authorization": f"Bearer {make_token(user, scopes=['admin'])}"})
    bodies = ['{"name": "ci", "scopes": ["read"]}', '{"scopes":["read"],"name":"ci"}']

    answers = [
        client.post("/api/tokens", body, content_type="application/json", headers={HEADER: KEY})
        for body in bodies
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert ApiToken.objects.filter(name="ci").count() == 1


@pytest.mark.parametrize(
    ("body", "path"), [({"size": 2}, "/api/things"), ({"size": 1}, "/api/things?big=true")]
)
def test_f1_another_request_under_the_same_key_is_refused(
    user: User, body: object, path: str
) -> None:
    send(user, {"size": 1})

    answer = send(user, body, path=path)

    assert (answer.status_code, code(answer)) == (409, "E_REQUEST_ID_USED")
    assert "This request id was used for a different thing." in str(answer.data)
    assert len(Workshop.made) == 1


def test_f1_a_key_is_bound_to_its_user(user: User) -> None:
    send(user, {"size": 1})

    answer = send(make_user(), {"size": 2})

    assert answer.status_code == 201
    assert len(Workshop.made) == 2


def test_without_a_key_each_request_counts(user: User) -> None:
    for _ in range(2):
        send(user, {"size": 1}, key=None)

    assert len(Workshop.made) == 2
    assert not FirstAnswer.objects.exists()


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "tab\tstop"])
def test_a_key_that_is_too_long_or_not_plain_text_is_refused(user: User, key: str) -> None:
    answer = send(user, {"size": 1}, key=key)

    assert (answer.status_code, answer.data["error"]["param"]) == (400, HEADER)
    assert not Workshop.made


def test_a_key_of_255_characters_is_taken(user: User) -> None:
    assert send(user, {"size": 1}, key="k" * 255).status_code == 201


def test_what_was_refused_took_no_effect_and_may_be_tried_again_under_its_key(user: User) -> None:
    Workshop.fails.append(ConflictError("Not now."))
    refused = send(user, {"size": 1})

    answer = send(user, {"size": 1})

    assert (refused.status_code, answer.status_code) == (409, 201)
    assert len(Workshop.made) == 1


def test_what_failed_in_the_middle_is_not_done_again_by_itself(user: User) -> None:
    Workshop.fails.append(ZeroDivisionError())
    failed = send(user, {"size": 1})

    answer = send(user, {"size": 1})

    assert failed.status_code == 500
    assert (answer.status_code, code(answer)) == (409, "E_REQUEST_OUTCOME_UNKNOWN")
    assert not Workshop.made


def test_a_request_that_was_cut_off_is_in_progress_at_first_and_unknown_later(user: User) -> None:
    send(user, {"size": 1})
    FirstAnswer.objects.update(status=None)
    at_once = send(user, {"size": 1})

    FirstAnswer.objects.update(created_at=database_now() - CUT_OFF_AFTER)
    later = send(user, {"size": 1})

    assert code(at_once) == "E_REQUEST_IN_PROGRESS"
    assert code(later) == "E_REQUEST_OUTCOME_UNKNOWN"
    assert len(Workshop.made) == 1


def test_an_answer_is_kept_for_24_hours_and_then_forgotten(user: User) -> None:
    send(user, {"size": 1})
    kept_until = database_now() - KEPT
    FirstAnswer.objects.update(created_at=kept_until + timedelta(minutes=1))
    assert send(user, {"size": 1}).headers[REPLAYED] == "true"

    FirstAnswer.objects.update(created_at=kept_until - timedelta(minutes=1))
    send(user, {"size": 2}, key="another")

    assert FirstAnswer.objects.count() == 1
    assert send(user, {"size": 1}).status_code == 201
    assert len(Workshop.made) == 3


def test_t26_a_secret_is_not_kept_and_the_repeat_says_that_it_was_shown_once(user: User) -> None:
    first = send(user, {"size": 1})

    again = send(user, {"size": 1})

    assert b"s3cret-s3cret" in first.content
    assert b"s3cret-s3cret" not in again.content
    assert "s3cret-s3cret" not in str(FirstAnswer.objects.values().get())
    assert b'"secret":null,"notice":"The secret was shown once' in again.content


def test_t26_a_new_api_token_is_shown_once_even_to_a_repeat(user: User) -> None:
    client = Client(headers={"Authorization": f"Bearer {make_token(user, scopes=['admin'])}"})
    body = {"name": "ci"}

    first, again = (
        client.post("/api/tokens", body, content_type="application/json", headers={HEADER: KEY})
        for _ in range(2)
    )

    token = first.json()["token"]
    assert token.startswith("slw_")
    assert (again.status_code, again.json()["token"]) == (201, None)
    assert again.json()["id"] == first.json()["id"]
    assert "shown once" in again.json()["notice"]
    assert token not in str(list(FirstAnswer.objects.values()))


def upload(client: Client, *, rows: int, key: str = KEY) -> Any:
    file = io.BytesIO(json_lines(chat_rows(rows)))
    file.name = "sums.jsonl"
    data = {"file": file, "name": "Sums"}
    return client.post("/api/datasets", data, headers={HEADER: key})


def test_f1_an_upload_is_known_by_its_bytes(user: User) -> None:
    client = Client(headers={"Authorization": f"Bearer {make_token(user)}"})

    first, again, other = (upload(client, rows=rows) for rows in (12, 12, 13))

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert first.content == again.content
    assert again.headers[REPLAYED] == "true"
    assert Dataset.objects.get().rows == 12


@pytest.mark.django_db(transaction=True)
def test_f1_twenty_at_once_take_effect_once_and_all_the_rest_are_told_so() -> None:
    token = make_token(make_user(), scopes=["admin"])

    def ask() -> Any:
        return Client(headers={"Authorization": f"Bearer {token}", HEADER: KEY}).post(
            "/api/tokens", {"name": "ci"}, content_type="application/json"
        )

    answers = at_once(20, ask)

    assert ApiToken.objects.filter(name="ci").count() == 1
    made = [answer for answer in answers if answer.status_code == 201]
    rest = [answer for answer in answers if answer.status_code != 201]
    assert sum(1 for answer in made if REPLAYED not in answer.headers) == 1
    assert len({answer.json()["id"] for answer in made}) == 1
    assert all(answer.json()["error"]["code"] == "E_REQUEST_IN_PROGRESS" for answer in rest)
