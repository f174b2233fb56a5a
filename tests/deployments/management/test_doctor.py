"""``manage.py doctor``: what is well, what is not, and what to do about it."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.management import CommandError, call_command
from encrypted_model_fields import fields as library
from pytest_django.fixtures import Settings

from core.installation import installation_id
from core.time import database_now
from deployments import kill_switch
from deployments.management.doctor import here, outside, running
from deployments.models import WorkerHeartbeat
from deployments.models.deployments import Status
from deployments.providers import PROVIDERS, rented
from deployments.second_guard import BEAT_NAME
from notifications import webhooks
from notifications.models import Message
from secrets_vault.models import InstallationSecret, VaultEntry
from tests.builders import SECRET, make_deployment, make_machine, make_user, make_vault_entry
from tests.deployments.pages import scenes
from tests.sandbox_cloud import REPOSITORY, SandboxHandle, running_sandbox

pytestmark = pytest.mark.django_db
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("doctor-cloud")) as running:
        yield running


@pytest.fixture(autouse=True)
def well(sandbox: SandboxHandle, settings: Settings) -> None:
    """An installation with nothing wrong: a good key, a worker with its queues, a timer."""
    for name in rented():
        path = urlsplit(PROVIDERS[name].default_endpoint().base_url).path
        setattr(settings, f"{name.upper()}_API_BASE_URL", sandbox.root_url + path)
    make_vault_entry(secret=sandbox.api_key)
    for name in ("worker:here:1", "queue:default", "queue:ssh@here:1", BEAT_NAME):
        WorkerHeartbeat.objects.create(name=name, beat_at=database_now())


def doctor() -> str:
    out = StringIO()
    call_command("doctor", stdout=out)
    return out.getvalue()


def sick() -> str:
    out = StringIO()
    with pytest.raises(CommandError, match="problem"):
        call_command("doctor", stdout=out)
    return out.getvalue()


def lines(said: str, level: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(level)]


def test_where_all_is_well_every_line_is_ok_and_no_secret_is_told(sandbox: SandboxHandle) -> None:
    said = doctor()

    assert all(line.startswith("ok ") for line in said.splitlines()), said
    for subject in (
        "settings", "database", "data folder", "lambda", "clock", "APP_URL", "installation id",
        "encryption", "SSH", "key", "machines", "worker", "reap",
    ):  # fmt: skip
        assert f"ok   {subject}:" in said, said
    assert installation_id() in said
    assert sandbox.api_key not in said


def test_F4_a_key_that_the_cloud_refuses_is_a_problem() -> None:
    make_vault_entry(secret=SECRET)

    (line,) = lines(sick(), "FAIL")

    assert line.startswith("FAIL key: lambda key ...")
    assert " - " in line
    assert SECRET not in line


def test_F80_a_wrong_encryption_key_is_named_with_the_rows_it_does_not_open(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    InstallationSecret.objects.all().delete()
    key = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEY = [key]
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(key)]))

    said = sick()

    assert "FAIL encryption: no key opens secrets_vault.api_key_encrypted of row" in said
    assert "ok   SSH" in said


def test_values_under_an_older_key_ask_for_rewrap(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    keys = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEY]
    settings.FIELD_ENCRYPTION_KEY = keys
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(key) for key in keys]))

    (line,) = lines(doctor(), "warn")

    assert "rewrap_secrets" in line


def test_a_cloud_that_cannot_be_reached_is_a_problem(settings: Settings) -> None:
    settings.LAMBDA_API_BASE_URL = "http://127.0.0.1:1/api/v1"

    said = sick()

    assert "FAIL lambda: http://127.0.0.1:1/api/v1 cannot be reached" in said


@pytest.mark.parametrize(
    ("ahead", "level"), [(1.0, "ok"), (-3.0, "ok"), (8.0, "warn"), (-60.0, "FAIL")]
)
def test_F78_clocks_that_differ_are_told_by_how_much(ahead: float, level: str) -> None:
    finding = here.clock_finding("the cloud's", ahead, tolerated=outside.DATE_TOLERANCE_SECONDS)

    assert finding.level == level


@pytest.mark.parametrize(("free", "level"), [(0.5, "FAIL"), (5.0, "warn"), (50.0, "ok")])
def test_F61_the_space_left_is_judged(
    free: float, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, int(free * here.GIB)))

    (finding,) = here.data_folder()

    assert finding.level == level


def test_a_data_folder_that_cannot_be_written_is_a_problem(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_folder.write_text("a file where the folder should be", encoding="utf-8")

    assert "FAIL data folder: could not be looked at" in sick()


def test_a_key_file_that_others_can_read_is_a_problem(data_folder: Path) -> None:
    key = data_folder / "keys" / "secret-key"
    key.parent.mkdir(parents=True)
    key.write_text("a key", encoding="utf-8")
    key.chmod(0o644)

    assert f"{key} has mode 0644 - chmod 600" in sick()


def test_F9_without_a_worker_it_depends_on_what_waits_for_one() -> None:
    WorkerHeartbeat.objects.update(beat_at=database_now() - timedelta(minutes=10))

    assert "warn worker: none runs, the last one beat 10 min ago" in doctor()
    make_deployment(status=Status.TRAINING)
    assert "1 deployments wait for it - Start the worker" in sick()


def test_a_queue_that_takes_no_tasks_is_a_problem() -> None:
    old = database_now() - timedelta(minutes=10)
    WorkerHeartbeat.objects.filter(name__startswith="queue:ssh").update(beat_at=old)

    assert "FAIL worker: queue ssh took no task lately" in sick()


@pytest.mark.parametrize("minutes", [None, 20])
def test_D7_a_timer_that_does_not_run_is_told(minutes: int | None) -> None:
    beat = WorkerHeartbeat.objects.filter(name=BEAT_NAME)
    if minutes is None:
        beat.delete()
    else:
        beat.update(beat_at=database_now() - timedelta(minutes=minutes))

    (line,) = lines(doctor(), "warn")

    assert line.startswith("warn reap: ")
    assert "slipway-reap.timer" in line


def test_machines_that_ask_for_attention_are_told() -> None:
    owner = VaultEntry.objects.get().user
    make_machine(make_deployment(owner, status=Status.TERMINATING, attention={"code": "E_X"}))

    (line,) = lines(doctor(), "warn")

    assert "1 may bill, $1.29 an hour; 1 of them" in line


def test_T25_an_app_url_that_does_not_answer_here_is_told(settings: Settings) -> None:
    settings.APP_URL = "http://127.0.0.1:1"

    assert "warn APP_URL: http://127.0.0.1:1 does not answer here" in doctor()


def start(tmp_path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH",)}
    return subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=REPOSITORY,
        env={
            **kept,
            "SLIPWAY_DATA_DIR": str(tmp_path / "data"),
            "LAMBDA_API_BASE_URL": "http://127.0.0.1:1/api/v1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_settings_that_do_not_load_are_a_line_too(tmp_path: Path) -> None:
    done = start(tmp_path, SLIPWAY_ENV="production")

    assert done.returncode == 1
    assert done.stderr.strip() == "FAIL settings: SECRET_KEY must be set in production."


def test_without_a_database_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    done = start(tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")

    assert done.returncode == 1
    assert "FAIL database: could not be looked at" in done.stdout
    assert "ok   data folder:" in done.stdout
    assert "was not looked at" in done.stdout


def test_missing_migrations_are_a_problem(tmp_path: Path) -> None:
    done = start(tmp_path)

    assert done.returncode == 1
    assert "migrations are missing - Run manage.py migrate." in done.stdout


def test_I9_messages_that_wait_or_were_given_up_are_told() -> None:
    webhook, _ = webhooks.add(make_user(), url="https://hooks.example.org/in")
    scenes.given_up(webhook)
    waiting = webhooks.send_test(webhook)
    Message.objects.filter(pk=waiting.pk).update(
        next_try_at=waiting.created_at - timedelta(minutes=11)
    )

    told = [str(finding) for finding in running.messages()]

    assert any("1 messages are due and not tried" in line for line in told)
    assert any("1 messages were given up in the last 7 days" in line for line in told)


def test_T20_a_kill_switch_that_is_on_is_told_with_its_reason() -> None:
    kill_switch.turn_on(actor=None, reason="a token was stolen")

    said = doctor()

    assert "launches: blocked since" in said
    assert "a token was stolen" in said
    assert "kill_switch off" in said
