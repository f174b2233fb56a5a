"""Health for supervisors, reasons and figures for operators, nothing for anybody else (T24)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from config import health
from core.time import database_now
from deployments import second_guard, tasks
from deployments.models import CloudSnapshot, Deployment, WorkerHeartbeat
from deployments.models.deployments import LaunchState, Status
from notifications import webhooks
from tests.builders import make_deployment, make_machine

pytestmark = pytest.mark.django_db


@pytest.fixture
def working() -> None:
    """Every queue has just taken a task."""
    for queue in tasks.QUEUES:
        tasks.answer_canary(queue)


def test_healthz_says_ok_to_anybody_and_nothing_else(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "cursor", _no_database)

    answer = client.get("/healthz", REMOTE_ADDR="203.0.113.9")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_an_installation_that_works_is_ready(client: Client, working: None) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "reasons": [], "warnings": []}


def test_D7_a_second_guard_that_does_not_look_is_a_warning_while_real_machines_live(
    client: Client, working: None, settings: Settings
) -> None:
    machine = make_machine(make_deployment(next_tick_at=None))
    (warning,) = client.get("/readyz").json()["warnings"]
    assert warning.startswith("reap has not looked in the last day")

    second_guard.note_look(database_now() - timedelta(minutes=16))
    assert "has not looked since 20" in client.get("/readyz").json()["warnings"][0]
    second_guard.note_look(database_now() - timedelta(minutes=14))
    assert client.get("/readyz").json() == {"ready": True, "reasons": [], "warnings": []}

    WorkerHeartbeat.objects.filter(name=second_guard.BEAT_NAME).delete()
    settings.LAMBDA_API_BASE_URL = "http://127.0.0.1:9400/api/v1"
    assert client.get("/readyz").json()["warnings"] == []
    settings.LAMBDA_API_BASE_URL = ""
    machine.gone_at = database_now()
    machine.save()
    assert client.get("/readyz").json()["warnings"] == []


def test_it_is_not_ready_before_a_worker_has_run(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert [r.split(" has")[0] for r in answer.json()["reasons"]] == ["Queue default", "Queue ssh"]


def test_a_queue_that_takes_no_tasks_is_named(client: Client, working: None) -> None:
    long_ago = database_now() - timedelta(seconds=200)
    WorkerHeartbeat.objects.filter(name="queue:ssh").update(beat_at=long_ago)

    (reason,) = client.get("/readyz").json()["reasons"]

    assert reason.startswith("Queue ssh has taken no task for 20")


def test_a_due_row_that_nobody_claims_is_a_reason(client: Client, working: None) -> None:
    make_deployment(next_tick_at=database_now() - timedelta(seconds=100))

    (reason,) = client.get("/readyz").json()["reasons"]

    assert "has waited for 10" in reason


def test_a_deployment_that_is_over_waits_for_nothing(client: Client, working: None) -> None:
    make_deployment(status=Status.COMPLETED, next_tick_at=database_now() - timedelta(days=1))

    assert client.get("/readyz").json()["ready"]


def test_a_migration_that_is_not_applied_is_a_reason(client: Client, working: None) -> None:
    ((app, newest),) = MigrationExecutor(connection).loader.graph.leaf_nodes("core")
    MigrationRecorder(connection).record_unapplied(app, newest)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "run manage.py migrate" in answer.json()["reasons"][0]


def test_a_database_that_is_away_is_a_reason_without_its_address(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "database_now", _no_database)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["The database does not answer (DatabaseError)."]


def test_the_figures_are_those_of_the_rows(client: Client) -> None:
    deployment = make_deployment(status=Status.TRAINING, attention={"code": "E_X"})
    make_machine(deployment, hourly_price=Decimal("1.29"))
    make_machine(deployment, hourly_price=Decimal("2.00"), gone_at=database_now())
    make_machine(deployment, launch_state=LaunchState.REFUSED)
    make_deployment(status=Status.COMPLETED)
    listed_at = database_now() - timedelta(seconds=30)
    CloudSnapshot.objects.create(
        vault_entry_id=deployment.vault_entry_id, listed_at=listed_at, next_list_at=listed_at
    )
    tasks.send_canary("ssh")
    tasks.beat("worker:here")
    webhook, _ = webhooks.add(deployment.user, url="https://hooks.example.org/in")
    webhooks.send_test(webhook)

    found = figures(client)

    assert found["slipway_machines_live"] == 1
    assert found["slipway_burn_usd_per_hour"] == 1.29
    assert found["slipway_attention"] == 1
    assert (
        found["slipway_deployments", "training"] == found["slipway_deployments", "completed"] == 1
    )
    assert found["slipway_deployments", "failed"] == 0
    assert (found["slipway_queue_tasks", "ssh"], found["slipway_queue_tasks", "default"]) == (1, 0)
    assert found["slipway_outbox_messages", "waiting"] == 1
    assert found["slipway_outbox_messages", "dead"] == 0
    assert 30 <= found["slipway_last_good_list_age_seconds"] < 90
    assert found["slipway_worker_beat_age_seconds"] < 60
    assert found["slipway_oldest_due_seconds"] > 0


def test_an_installation_without_rows_has_figures_too(client: Client) -> None:
    assert not Deployment.objects.exists()
    assert figures(client)["slipway_machines_live"] == 0


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
class TestWhoMaySee:
    """T24: METRICS_TOKEN, or programs on this host while it is not set."""

    def test_t24_a_program_on_this_host(self, client: Client, path: str, working: None) -> None:
        assert client.get(path, REMOTE_ADDR="::1").status_code == 200

    @pytest.mark.parametrize(
        "meta",
        [
            {"REMOTE_ADDR": "203.0.113.9"},
            {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"},
            {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"},
            {"REMOTE_ADDR": ""},
        ],
        ids=["another host", "a proxy here for another", "a proxy that hides it", "a socket"],
    )
    def test_t24_nobody_else(self, client: Client, path: str, meta: dict[str, Any]) -> None:
        answer = client.get(path, **meta)

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "E_UNAUTHENTICATED"

    def test_t24_the_token_opens_it_from_anywhere_and_is_asked_for_here_too(
        self, client: Client, path: str, working: None, settings: Settings
    ) -> None:
        settings.METRICS_TOKEN = "scrape-me-0123456789"
        good, bad = f"Bearer {settings.METRICS_TOKEN}", "Bearer scrape-me"

        def ask(**meta: str) -> int:
            return client.get(path, **meta).status_code  # type: ignore[arg-type]  # WSGI's names

        assert ask(REMOTE_ADDR="203.0.113.9", HTTP_AUTHORIZATION=good) == 200
        assert ask(REMOTE_ADDR="203.0.113.9", HTTP_AUTHORIZATION=bad) == 401
        assert ask(REMOTE_ADDR="127.0.0.1") == 401


def figures(client: Client) -> dict[Any, float]:
    """Return the samples by name, or by name and label."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    samples = [
        sample
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    ]
    return {(s.name, *s.labels.values()) if s.labels else s.name: s.value for s in samples}


def _no_database(*args: object) -> Any:
    raise DatabaseError("password=hunter2 host=10.0.0.1")
