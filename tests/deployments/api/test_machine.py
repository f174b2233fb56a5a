"""What a machine may call, and that it may call nothing else (API.md section 5; T3, T6)."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from core.time import database_now
from datasets.models import DownloadToken
from datasets.services import normalised_file
from deployments import machine_tokens
from deployments.models import LogLine, Machine, MachineToken, Metric, RunState
from tests.builders import make_deployment, make_machine, make_token, make_user
from tests.config.routes import every_route
from tests.deployments.api.calls import error_of

pytestmark = pytest.mark.django_db


class Pusher:
    """A machine of a running job, and its token."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.job = machine.deployment.job
        self.token = machine_tokens.mint(machine)

    def post(self, name: str, body: object = None, *, job: object = None) -> Any:
        """Send JSON, or text as it is, to an address below the job's."""
        text = body if isinstance(body, (str, bytes)) else json.dumps(body or {})
        return Client(enforce_csrf_checks=True).post(
            f"/api/training/jobs/{job or self.job.pk}/{name}",
            text,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def push(self, *seqs: int) -> int:
        """Push log lines with these numbers and return what is accepted."""
        events = [{"seq": seq, "kind": "log", "text": f"line {seq}"} for seq in seqs]
        answer = self.post("events", {"events": events})
        assert answer.status_code == 200, answer.content
        through: int = answer.json()["accepted_through"]
        return through

    def kept(self) -> list[int]:
        return list(LogLine.objects.filter(machine=self.machine).values_list("seq", flat=True))


@pytest.fixture
def pusher(settings: Settings) -> Pusher:
    settings.APP_URL = "https://slipway.example"
    settings.TOKEN_ROUTE_CALLS_PER_MINUTE = 10**6
    settings.REFUSED_TOKENS_PER_MINUTE = 10**6
    return Pusher(make_machine())


def test_events_are_taken_once_and_the_answer_says_how_far(pusher: Pusher) -> None:
    assert pusher.push(1, 2, 3) == 3
    assert pusher.push(2, 3, 4) == 4

    assert pusher.kept() == [1, 2, 3, 4]
    assert RunState.objects.get().log_offset == 0


def test_F41_a_batch_that_overtook_another_is_taken_only_once_the_gap_is_filled(
    pusher: Pusher,
) -> None:
    assert pusher.push(1, 2) == 2
    assert pusher.push(5, 6) == 2
    assert pusher.push(3, 5) == 3
    assert pusher.push(4, 5, 6) == 6

    assert pusher.kept() == [1, 2, 3, 4, 5, 6]


def test_news_by_push_end_the_silence(pusher: Pusher) -> None:
    """F43."""
    RunState.objects.create(machine=pusher.machine, silent_seconds=500)

    pusher.push(1)

    assert RunState.objects.get().silent_seconds == 0


def test_an_end_that_is_pushed_is_looked_at_now(pusher: Pusher) -> None:
    later = database_now() + timedelta(hours=1)
    deployment = pusher.machine.deployment
    type(deployment).objects.update(next_tick_at=later)

    pusher.push(1)
    deployment.refresh_from_db()
    assert deployment.next_tick_at == later
    pusher.post("events", {"events": [{"seq": 2, "kind": "exit", "outcome": "completed"}]})

    deployment.refresh_from_db()
    assert deployment.next_tick_at is not None
    assert deployment.next_tick_at <= database_now()


@pytest.mark.parametrize("name", ["events", "dataset-token"])
def test_T1_machines_behind_one_address_do_not_starve_one_another(
    pusher: Pusher, settings: Settings, name: str
) -> None:
    settings.TOKEN_ROUTE_CALLS_PER_MINUTE = 2
    neighbour = Pusher(make_machine())

    # A full minute may end in between: then the count begins anew once.
    loud = [pusher.post(name, {"events": []}).status_code for _ in range(6)]
    quiet = neighbour.post(name, {"events": []})

    assert set(loud) == {200, 429}
    assert quiet.status_code == 200
    pusher.token = machine_tokens.mint(pusher.machine)
    again = [pusher.post(name, {"events": []}).status_code for _ in range(3)]
    assert 429 in again, "another token of a machine is no other machine"


def test_T1_tokens_that_are_not_good_are_counted_by_address(
    pusher: Pusher, settings: Settings
) -> None:
    settings.REFUSED_TOKENS_PER_MINUTE = 2
    guesses = []
    for number in range(6):
        guesser = Pusher(make_machine())
        guesser.token = f"ftj_guess{number}"
        guesses.append(guesser.post("events", {"events": []}).status_code)

    assert set(guesses) == {401, 429}
    assert pusher.push(1) == 1


def test_F36_a_fresh_address_opens_the_jobs_data_and_ends_the_one_before(pusher: Pusher) -> None:
    first, second = (pusher.post("dataset-token").json() for _ in range(2))

    assert second["url"].startswith("https://slipway.example/api/datasets/download?token=")
    assert parse_qs(urlsplit(second["url"]).query) == {"token": [second["token"]]}
    got = Client().get("/api/datasets/download", {"token": second["token"]})
    data = b"".join(got.streaming_content)  # type: ignore[attr-defined]
    assert data == normalised_file(pusher.job.dataset).read_bytes()
    refused = Client().get("/api/datasets/download", {"token": first["token"]})
    assert refused.status_code == 403


def test_a_machine_cannot_fill_the_table_with_download_tokens(pusher: Pusher) -> None:
    answers = [pusher.post("dataset-token").status_code for _ in range(13)]

    assert 429 in answers
    assert DownloadToken.objects.count() <= 20


@pytest.mark.parametrize("name", ["events", "dataset-token"])
def test_I16_a_token_is_good_for_its_own_job_alone(pusher: Pusher, name: str) -> None:
    other = make_machine(make_deployment(pusher.job.user)).deployment.job

    for job in (other.pk, uuid4(), "nonsense"):
        assert error_of(pusher.post(name, {"events": []}, job=job), status=404)


@pytest.mark.parametrize("name", ["events", "dataset-token"])
def test_I16_each_verb_needs_its_scope(pusher: Pusher, name: str) -> None:
    MachineToken.objects.update(scopes=["artifact:write"])

    assert error_of(pusher.post(name, {"events": []}), status=403)["code"] == "E_SCOPE"


@pytest.mark.parametrize("name", ["events", "dataset-token"])
@pytest.mark.parametrize(
    "changes",
    [{"expires_at": timedelta(0)}, {"issued_at": timedelta(hours=1)}, {"revoked_at": timedelta(0)}],
    ids=["expired", "from the future", "revoked"],
)
def test_I16_a_token_out_of_its_time_is_as_good_as_none(
    pusher: Pusher, name: str, changes: dict[str, timedelta]
) -> None:
    now = database_now()
    MachineToken.objects.update(**{field: now + after for field, after in changes.items()})

    told = error_of(pusher.post(name), status=401)

    pusher.token = "ftj_" + "x" * 43
    assert told == error_of(pusher.post(name), status=401)


@pytest.mark.parametrize("name", ["events", "dataset-token"])
def test_neither_a_user_nor_their_token_nor_nobody_gets_in(pusher: Pusher, name: str) -> None:
    owner = pusher.job.user
    path = f"/api/training/jobs/{pusher.job.pk}/{name}"
    browser = Client()
    browser.force_login(owner)
    token = make_token(owner, scopes=["admin"])

    asked = [
        browser.post(path, {"events": []}, content_type="application/json"),
        Client(headers={"Authorization": f"Bearer {token}"}).post(path),
        Client(headers={"Authorization": "Bearer"}).post(path),
        Client(headers={"Authorization": "Basic eDp5"}).post(path),
        Client().post(path),
    ]

    for answer in asked:
        error_of(answer, status=401)
    assert not RunState.objects.exists()


def test_T6_a_machines_token_opens_no_other_address_by_any_verb(pusher: Pusher) -> None:
    client = Client(REMOTE_ADDR="203.0.113.9", headers={"Authorization": f"Bearer {pusher.token}"})
    own = {"deployments_api:events", "deployments_api:dataset-token"}
    ids = {"job_id": str(pusher.job.pk), "deployment_id": str(pusher.machine.deployment_id)}
    open_to_all = {"healthz", "login", "admin:login", "admin:logout", "datasets_api:download"}

    for route in every_route():
        if route.name in open_to_all:
            continue
        values = {name: ids.get(name, str(pusher.machine.pk)) for name in route.parameters}
        for verb in ("get", "post", "put", "patch", "delete"):
            if route.name in own and verb == "post":
                continue
            answer = getattr(client, verb)(route.address(values))
            assert answer.status_code in {401, 302, 404, 405}, (route.name, verb)


def test_the_user_still_reads_the_story_of_the_job_at_the_same_address(pusher: Pusher) -> None:
    path = f"/api/training/jobs/{pusher.job.pk}/events"
    reader = Client(headers={"Authorization": f"Bearer {make_token(pusher.job.user)}"})
    stranger = Client(headers={"Authorization": f"Bearer {make_token(make_user())}"})

    assert reader.get(path).status_code == 200
    assert stranger.get(path).status_code == 404


def test_F42_a_body_of_more_than_64_KiB_is_refused_unread(pusher: Pusher) -> None:
    body = json.dumps({"events": [{"seq": 1, "kind": "log", "text": "x" * 65_536}]})

    assert error_of(pusher.post("events", body), status=413)["code"] == "E_TOO_LARGE"
    assert not RunState.objects.exists()


@pytest.mark.parametrize(
    "body",
    ["", "[]", "null", "{}", '{"events": {}}', "{", '{"events": [', "[" * 60_000, b"\xff\xfe"],
)
def test_F42_a_body_that_is_no_list_of_events_is_refused(pusher: Pusher, body: str) -> None:
    assert error_of(pusher.post("events", body), status=400)["remedy"]


def test_F42_numbers_that_are_none_become_null(pusher: Pusher) -> None:
    body = (
        '{"events": [{"seq": 1, "kind": "metrics", "step": 1, "time": "3000-01-01T00:00:00Z",'
        ' "values": {"a": NaN, "b": Infinity, "c": 1e400, "d": 2.5}}]}'
    )

    pusher.post("events", body)

    values = dict(Metric.objects.values_list("name", "value"))
    assert values == {"a": None, "b": None, "c": None, "d": 2.5}
    assert all(metric.at <= database_now() for metric in Metric.objects.all())


def test_a_batch_of_too_many_events_is_taken_in_part(pusher: Pusher) -> None:
    events = [{"seq": seq, "kind": "heartbeat"} for seq in range(1, 1001)]

    answer = pusher.post("events", {"events": events})

    assert answer.json() == {"accepted_through": 500}


numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none())
anything = st.recursive(
    st.one_of(numbers, st.text(max_size=20)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KINDS = ("phase", "log", "metrics", "checkpoint", "request", "error", "exit", "environment")
FIELDS = ("step", "values", "text", "files", "path", "code", "epoch", "request", "outcome")
hostile = st.one_of(
    anything,
    st.fixed_dictionaries(
        {"seq": st.one_of(st.integers(0, 8), anything), "kind": st.sampled_from(KINDS)},
        optional=dict.fromkeys(FIELDS, anything),
    ),
)


@examples(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=st.lists(hostile, max_size=8))
def test_F42_T3_whatever_a_machine_pushes_is_answered_and_never_breaks_us(
    pusher: Pusher, events: list[object]
) -> None:
    answer = pusher.post("events", {"events": events})

    assert answer.status_code == 200, answer.content
    assert 0 <= answer.json()["accepted_through"] <= 8 * 61
