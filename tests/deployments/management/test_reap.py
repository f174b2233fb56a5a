"""The ordinary ``reap``: what it ends, what it remembers, and what it says without a database."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django.fixtures import Settings

from core.installation import installation_id
from deployments import live_file, reaper
from deployments.models import Deployment, WorkerHeartbeat
from deployments.models.deployments import LaunchState, Status
from deployments.second_guard import BEAT_NAME
from tests.builders import make_deployment, make_machine, make_user, make_vault_entry
from tests.own_host import LOOPBACK, running_own_host
from tests.sandbox.client import Client
from tests.sandbox_cloud import SandboxHandle, running_sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("reap-cloud"), boot_seconds=0) as running:
        yield running


@pytest.fixture
def client(sandbox: SandboxHandle, settings: Settings) -> Iterator[Client]:
    settings.LAMBDA_API_BASE_URL = sandbox.base_url
    client = Client(sandbox)
    yield client
    for machine_id in client.listed_ids():
        client.terminate(machine_id)


@pytest.fixture
def deployment(sandbox: SandboxHandle) -> Deployment:
    """A deployment that is over, so that nothing of it is wanted any more."""
    user = make_user()
    make_vault_entry(user, secret=sandbox.api_key)
    return make_deployment(user, status=Status.COMPLETED)


def reap(*arguments: str) -> str:
    out = StringIO()
    call_command("reap", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_D7_it_ends_what_nothing_wants_and_beats(client: Client, deployment: Deployment) -> None:
    name = f"{installation_id()}-1f2e3d4c-a1-n0-t1"
    machine_id = client.launch(name=name)
    make_machine(deployment, name=name, instance_id=machine_id)

    said = reap()

    assert f"{name}: ended: its deployment is over" in said
    assert client.truth(machine_id)["status"] in ("terminating", "terminated")
    assert WorkerHeartbeat.objects.filter(name=BEAT_NAME).exists()


def test_a_dry_run_ends_nothing_and_is_no_sweep(client: Client, deployment: Deployment) -> None:
    name = f"{installation_id()}-1f2e3d4c-a1-n0-t1"
    machine_id = client.launch(name=name)
    make_machine(deployment, name=name, instance_id=machine_id)

    said = reap("--dry-run")

    assert "unwanted: its deployment is over" in said
    assert client.truth(machine_id)["status"] == "active"
    assert not WorkerHeartbeat.objects.filter(name=BEAT_NAME).exists()


def test_F80_a_key_that_does_not_open_does_not_keep_others_from_being_swept(
    client: Client, deployment: Deployment
) -> None:
    broken = make_vault_entry()
    type(broken).objects.filter(pk=broken.pk).update(api_key_encrypted="sealed for somebody else")

    with pytest.raises(CommandError):
        reap()

    assert WorkerHeartbeat.objects.filter(name=BEAT_NAME).exists()


def test_F77_the_file_of_live_machines_holds_rows_and_what_only_the_cloud_shows(
    client: Client, deployment: Deployment
) -> None:
    known = make_machine(deployment, instance_id="id-of-a-row")
    make_machine(deployment, launch_state=LaunchState.REFUSED, instance_id="")
    stray = f"{installation_id()}-00000000-a1-n0-t1"
    client.launch(name=stray)

    reap()

    file = live_file.path()
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["installation_id"] == installation_id()
    assert {machine["name"] for machine in told["machines"]} == {known.name, stray}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert client.sandbox.api_key not in file.read_text(encoding="utf-8")


def test_F77_what_an_account_showed_is_kept_while_it_cannot_be_asked(
    client: Client, deployment: Deployment, settings: Settings
) -> None:
    stray = f"{installation_id()}-00000000-a1-n0-t1"
    machine_id = client.launch(name=stray)
    gone = make_machine(deployment, instance_id="id-of-a-row")
    reap()
    type(gone).objects.update(gone_at=gone.requested_at)

    settings.LAMBDA_API_BASE_URL = "http://127.0.0.1:1/api/v1"
    with pytest.raises(CommandError):
        reap()
    mute = known_names()
    settings.LAMBDA_API_BASE_URL = client.sandbox.base_url
    client.control("POST", f"machines/{machine_id}/vanish")
    reap()

    assert mute == [stray]
    assert known_names() == []


def known_names() -> list[str]:
    known = live_file.recall()
    assert known is not None
    return [machine.name for machine in known.machines]


def test_F77_without_a_database_it_says_what_may_live_and_how_to_end_it(
    client: Client, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = make_machine(deployment, instance_id="the-id")
    reap()
    out = StringIO()

    def refuse(platform: str | None) -> Iterator[None]:
        raise OperationalError("connection refused")

    monkeypatch.setattr(reaper, "accounts", refuse)

    with pytest.raises(CommandError, match="nothing was swept"):
        call_command("reap", stdout=out, stderr=out)

    said = out.getvalue()
    assert "connection refused" in said
    assert f"{machine.name} (the-id; lambda key" in said
    assert f"--panic --api-key-file FILE --installation-id {installation_id()}" in said


def test_F77_without_database_and_file_it_points_to_the_consoles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = StringIO()

    def refuse(platform: str | None) -> Iterator[None]:
        raise OperationalError("connection refused")

    monkeypatch.setattr(reaper, "accounts", refuse)

    with pytest.raises(CommandError):
        call_command("reap", stdout=out, stderr=out)

    assert "No earlier sweep left a list" in out.getvalue()


def test_a_file_that_cannot_be_written_is_told_and_the_alarm_still_raised(
    data_folder: Path,
) -> None:
    make_deployment(status=Status.TRAINING)
    live_file.path().parent.mkdir(parents=True)
    live_file.path().mkdir()
    out = StringIO()

    with pytest.raises(CommandError):
        call_command("reap", stdout=out, stderr=out)

    assert "live.json cannot be written" in out.getvalue()
    assert "ALARM: 1 deployments were last looked at" in out.getvalue()


@pytest.mark.parametrize("content", ["", "[]", '{"machines": 1}', '{"written_at": "now"}'])
def test_a_file_that_cannot_be_read_is_as_good_as_none(content: str) -> None:
    live_file.path().parent.mkdir(parents=True)
    live_file.path().write_text(content, encoding="utf-8")

    assert live_file.recall() is None


def test_panic_is_reached_by_the_command_too_and_needs_both_of_its_words(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--api-key-file and --installation-id"):
        reap("--panic")

    with pytest.raises(SystemExit) as ended:
        reap("--panic", "--api-key-file", str(tmp_path / "none"), "--installation-id", "slwabc")

    assert ended.value.code == 2


def test_a_machine_of_somebodys_own_is_let_go_of_and_being_switched_off_is_no_alarm(
    tmp_path: Path, settings: Settings
) -> None:
    settings.SSH_NETWORKS = LOOPBACK
    with running_own_host(tmp_path / "own") as machine:
        make_vault_entry(provider="ssh", secret=machine.host().sealed())
        name = f"{installation_id()}-1f2e3d4c-a1-n0-t1"
        machine.taken.parent.mkdir()
        machine.taken.write_text(f"{name}\n", encoding="utf-8")
        settings.TIMING = replace(settings.TIMING, stray_grace_seconds=0)

        said = reap()
        machine.stop()
        said_of_one_that_is_off = reap()

    assert "ssh machine gpu-box: 1 machine of ours, 0 of others" in said
    assert f"{name}: ended: no row knows it (its owner's own machine: let go of" in said
    assert not machine.taken.exists()
    assert "its owner's own, never ended, nothing bills" in said_of_one_that_is_off
