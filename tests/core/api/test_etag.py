"""A poll of something that has not changed is answered with 304 and nothing else."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments import run_log
from deployments.models import Deployment, Machine, RunState
from tests.builders import (
    make_deployment,
    make_log_line,
    make_machine,
    make_metric,
    make_run_state,
    make_token,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def program(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_token(user)}"})


@pytest.fixture
def machine(user: User) -> Machine:
    deployment = make_deployment(user)
    # Gone and billed: its cost does not grow while the test looks.
    return make_machine(deployment, gone_at=deployment.created_at, billed_usd=Decimal(1))


def addresses(machine: Machine) -> dict[str, str]:
    deployment = machine.deployment
    job = f"/api/training/jobs/{deployment.job_id}"
    return {
        "deployment": f"/api/training/deploy/lambda?deployment_id={deployment.pk}",
        "job": job,
        "metrics": f"{job}/metrics",
        "logs": f"{job}/logs",
    }


def again(program: Client, address: str) -> tuple[Any, Any]:
    first = program.get(address)
    return first, program.get(address, headers={"If-None-Match": first.headers["ETag"]})


@pytest.mark.parametrize("what", ["deployment", "job", "metrics", "logs"])
def test_what_has_not_changed_is_not_sent_again(
    program: Client, machine: Machine, what: str
) -> None:
    make_run_state(machine)

    first, second = again(program, addresses(machine)[what])

    assert (first.status_code, second.status_code) == (200, 304)
    assert second.content == b""
    assert second.headers["ETag"] == first.headers["ETag"]
    assert second.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("what", ["deployment", "job"])
def test_a_change_is_sent(program: Client, machine: Machine, what: str) -> None:
    address = addresses(machine)[what]
    etag = program.get(address).headers["ETag"]
    Deployment.objects.update(attention={"code": "E_X", "message": "Look.", "remedy": ""})

    answer = program.get(address, headers={"If-None-Match": etag})

    assert (answer.status_code, answer.json()["attention"]["code"]) == (200, "E_X")


@pytest.mark.parametrize("what", ["metrics", "logs"])
def test_whatever_a_run_log_tells_is_sent(program: Client, machine: Machine, what: str) -> None:
    address = addresses(machine)[what]
    etag = program.get(address).headers["ETag"]
    time = "2026-03-02T12:00:00Z"
    events: list[Any] = [
        {"seq": 1, "time": time, "kind": "metrics", "step": 1, "values": {"train/loss": 2.0}},
        {"seq": 2, "time": time, "kind": "log", "level": "info", "source": "a", "text": "Hello."},
    ]
    run_log.ingest(machine, events)

    answer = program.get(address, headers={"If-None-Match": etag})

    assert answer.status_code == 200
    assert b"train/loss" in answer.content or b"Hello." in answer.content


def test_an_etag_of_one_address_is_none_of_another(program: Client, machine: Machine) -> None:
    make_run_state(machine)
    logs = addresses(machine)["logs"]
    etag = program.get(logs).headers["ETag"]

    answer = program.get(f"{logs}?level=error", headers={"If-None-Match": etag})

    assert answer.status_code == 200


def test_an_unchanged_log_costs_no_look_at_its_lines(program: Client, machine: Machine) -> None:
    make_run_state(machine)
    make_log_line(machine)
    make_metric(machine)

    for what in ("metrics", "logs"):
        etag = program.get(addresses(machine)[what]).headers["ETag"]
        with CaptureQueriesContext(connection) as captured:
            program.get(addresses(machine)[what], headers={"If-None-Match": etag})

        statements = " ".join(query["sql"] for query in captured)
        assert RunState._meta.db_table in statements  # noqa: SLF001  # Django's documented API
        assert "log_lines" not in statements
        assert 'FROM "metrics"' not in statements
