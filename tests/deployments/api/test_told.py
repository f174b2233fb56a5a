"""Metrics in columns, log lines in order, each with a way to ask for the rest."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from deployments.models import Machine
from tests.builders import (
    NOON,
    make_deployment,
    make_log_line,
    make_machine,
    make_metric,
    make_user,
)
from tests.deployments.api.calls import Caller, error_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def machine(user: User) -> Machine:
    return make_machine(make_deployment(user))


@pytest.fixture
def job(machine: Machine) -> str:
    return f"training/jobs/{machine.deployment.job_id}"


def test_metrics_come_as_columns_in_order_of_step(user: User, machine: Machine, job: str) -> None:
    make_metric(machine, step=2, value=None, at=NOON + timedelta(seconds=1))
    make_metric(machine, step=1, value=2.5)
    make_metric(machine, name="eval/loss", step=2, value=2.25)
    make_metric()

    answer = Caller(user).read(f"{job}/metrics")

    assert answer == {
        "train/loss": {
            "step": [1, 2],
            "value": [2.5, None],
            "time": ["2026-03-02T12:00:00Z", "2026-03-02T12:00:01Z"],
        },
        "eval/loss": {"step": [2], "value": [2.25], "time": ["2026-03-02T12:00:00Z"]},
    }


def test_keys_and_since_step_narrow_the_metrics(user: User, machine: Machine, job: str) -> None:
    for step in (1, 2, 3):
        make_metric(machine, step=step)
        make_metric(machine, name="eval/loss", step=step)
        make_metric(machine, name="train/grad_norm", step=step)
    caller = Caller(user)

    answer = caller.read(f"{job}/metrics?keys=train/loss,eval/loss,%00&since_step=1")
    nothing = caller.read(f"{job}/metrics?keys=")

    assert set(answer) == {"train/loss", "eval/loss"}
    assert answer["train/loss"]["step"] == [2, 3]
    assert nothing == {}


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "", "9" * 17, "²"])
def test_a_since_step_that_is_no_whole_number_is_refused(user: User, job: str, value: str) -> None:
    response = Caller(user).get(f"{job}/metrics?since_step={value}")

    assert error_of(response, status=400)["param"] == "since_step"


def test_log_lines_come_in_order_and_the_cursor_leads_on(
    user: User, machine: Machine, job: str
) -> None:
    for number in range(5):
        make_log_line(machine, text=f"line {number}")
    make_log_line()
    caller = Caller(user)

    first = caller.read(f"{job}/logs?limit=3")
    second = caller.read(f"{job}/logs?limit=3&since={first['next_since']}")
    third = caller.read(f"{job}/logs?limit=3&since={second['next_since']}")

    assert [line["text"] for line in first["data"]] == ["line 0", "line 1", "line 2"]
    assert [line["text"] for line in second["data"]] == ["line 3", "line 4"]
    assert (first["has_more"], second["has_more"], third["has_more"]) == (True, False, False)
    assert third["data"] == []
    assert third["next_since"] == second["next_since"]
    assert set(first["data"][0]) == {"id", "machine", "seq", "at", "level", "source", "text"}
    assert first["data"][0]["machine"] == machine.name


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_a_level_shows_itself_and_those_above(
    user: User, machine: Machine, job: str, level: str, shown: list[str]
) -> None:
    for each in ("debug", "info", "warning", "error"):
        make_log_line(machine, level=each)

    answer = Caller(user).read(f"{job}/logs?level={level}")

    assert [line["level"] for line in answer["data"]] == shown


@pytest.mark.parametrize(
    ("query", "param"), [("level=loud", "level"), ("since=x", "since"), ("limit=-5", "limit")]
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(
    user: User, job: str, query: str, param: str
) -> None:
    response = Caller(user).get(f"{job}/logs?{query}")

    assert error_of(response, status=400)["param"] == param


def test_t3_a_hostile_line_stays_data(user: User, machine: Machine, job: str) -> None:
    make_log_line(machine, text="<script>alert(1)</script> \u2028 {{7*7}}")

    response = Caller(user).get(f"{job}/logs")

    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.json()["data"][0]["text"] == "<script>alert(1)</script> \u2028 {{7*7}}"
