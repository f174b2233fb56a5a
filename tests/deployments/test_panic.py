"""The panic stopper against a real sandbox cloud, as processes and without a usable Slipway."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import panic
from tests.sandbox.client import Client
from tests.sandbox_cloud import REPOSITORY, SandboxHandle, running_sandbox

QUICK = {
    "POLL_SECONDS": "0.1",
    "PROOF_INTERVAL_SECONDS": "0.3",
    "REQUEST_INTERVAL_SECONDS": "0",
    "TERMINATE_RETRY_SECONDS": "0.1",
    "TERMINATE_REPEAT_SECONDS": "0.2",
}
# Nothing that Slipway needs: no database, no key that opens anything, no key at all.
BROKEN = {
    "SLIPWAY_ENV": "production",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "FIELD_ENCRYPTION_KEY": "not-a-key",
}
OURS = "slwabc"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    folder = tmp_path_factory.mktemp("panic-cloud")
    with running_sandbox(folder, boot_seconds=0, terminated_visible_seconds=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: SandboxHandle) -> Client:
    client = Client(sandbox)
    roomy = {"instance_type": "gpu_1x_a10", "region": "us-east-1", "free": 100}
    client.control("POST", "capacity", roomy)
    return client


@pytest.fixture
def key_file(sandbox: SandboxHandle, tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(sandbox.api_key + "\n", encoding="utf-8")
    return file


@pytest.fixture
def others(client: Client) -> Iterator[list[str]]:
    """Machines that look nearly like ours; and a clean account afterwards."""
    names = ["slwabcd-1", "slwabc", "SLWABC-1", "my-slwabc-1"]
    yield [client.launch(name=name) for name in names]
    client.control("DELETE", "faults")
    for machine_id in client.listed_ids():
        client.terminate(machine_id)


def start(
    sandbox: SandboxHandle, *arguments: str, module: bool = False, **environment: str
) -> "subprocess.CompletedProcess[str]":
    program = ["-m", "deployments.panic"] if module else ["manage.py", "reap", "--panic"]
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, *program, *arguments],
        cwd=REPOSITORY,
        env={
            "PATH": os.environ["PATH"],
            "LAMBDA_API_BASE_URL": sandbox.base_url,
            **QUICK,
            **BROKEN,
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def order(key_file: Path, *more: str) -> tuple[str, ...]:
    return ("--api-key-file", str(key_file), "--installation-id", OURS, *more)


def alive(client: Client, *machine_ids: str) -> list[str]:
    statuses = {machine_id: client.truth(machine_id)["status"] for machine_id in machine_ids}
    return [i for i, status in statuses.items() if status not in ("terminating", "terminated")]


@pytest.mark.parametrize("module", [False, True], ids=["manage.py", "module"])
def test_F77_F80_it_ends_ours_and_nothing_else_without_database_and_keys(
    sandbox: SandboxHandle, client: Client, key_file: Path, others: list[str], module: bool
) -> None:
    names = [f"{OURS}-1f2e3d4c-a{n}-n0-t1" for n in (1, 2)]
    ours = [client.launch(name=name) for name in names]

    done = start(sandbox, *order(key_file, "--yes"), module=module)

    assert done.returncode == 0, done.stdout + done.stderr
    assert alive(client, *ours) == []
    assert alive(client, *others) == others
    asked = [line for line in done.stdout.splitlines() if line.endswith("asked to end")]
    # A machine that takes its time to end is asked again.
    assert sorted({line.split()[0] for line in asked}) == names
    assert done.stdout.count("gone, proven by two lists") == 2
    assert sandbox.api_key not in done.stdout + done.stderr


def test_a_dry_run_names_ours_and_ends_nothing(
    sandbox: SandboxHandle, client: Client, key_file: Path, others: list[str]
) -> None:
    mine = client.launch(name=f"{OURS}-1")

    done = start(sandbox, *order(key_file, "--dry-run"))

    assert done.returncode == 0
    assert "would be ended" in done.stdout
    assert mine in done.stdout
    assert alive(client, mine, *others) == [mine, *others]


def test_without_anybody_to_ask_and_without_yes_nothing_is_ended(
    sandbox: SandboxHandle, client: Client, key_file: Path, others: list[str]
) -> None:
    mine = client.launch(name=f"{OURS}-1")

    done = start(sandbox, *order(key_file))

    assert done.returncode == 2
    assert "Nothing was ended" in done.stdout
    assert alive(client, mine) == [mine]


def test_D3_it_asks_again_when_the_cloud_says_ok_and_the_machine_lives(
    sandbox: SandboxHandle, client: Client, key_file: Path, others: list[str]
) -> None:
    mine = client.launch(name=f"{OURS}-1")
    client.fault("terminate", "ok_but_alive")

    done = start(sandbox, *order(key_file, "--yes"))

    assert done.returncode == 0
    assert done.stdout.count("asked to end") >= 2
    assert alive(client, mine) == []


def test_I13_failures_of_the_cloud_and_an_empty_list_prove_nothing(
    sandbox: SandboxHandle, client: Client, key_file: Path, others: list[str]
) -> None:
    mine = client.launch(name=f"{OURS}-1")
    client.fault("list", "status", status=503)
    client.fault("terminate", "status", status=500)
    client.fault("list", "empty_list", skip=1)

    done = start(sandbox, *order(key_file, "--yes"))

    assert done.returncode == 0
    assert "cannot list the account" in done.stdout
    assert "NOT ended, trying again" in done.stdout
    assert alive(client, mine) == []


def test_a_refused_key_is_said_at_once(sandbox: SandboxHandle, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("secret_wrong_0123456789.abcdef", encoding="utf-8")

    done = start(sandbox, *order(wrong, "--yes"))

    assert done.returncode == 1
    assert "key" in done.stdout
    assert "secret_wrong" not in done.stdout + done.stderr


@pytest.mark.parametrize("installation", ["", "slw", "s", "slwab", "SLWABC", "slwabc-", "*"])
def test_I15_what_is_no_installation_id_is_refused_before_anything_is_asked(
    installation: str, tmp_path: Path
) -> None:
    said: list[str] = []
    given = panic.Order("lambda", tmp_path / "never-read", installation, yes=True)

    assert panic.execute(given, say=said.append, ask=lambda _: "") == panic.NOT_ASKED
    assert "is no installation id" in said[0]


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_a_key_file_without_a_key_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    said: list[str] = []

    given = panic.Order("lambda", file, OURS)

    assert panic.execute(given, say=said.append, ask=lambda _: "") == panic.NOT_ASKED
    assert str(file) in said[0]


def test_the_operator_who_types_another_name_ends_nothing(
    sandbox: SandboxHandle,
    client: Client,
    key_file: Path,
    others: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = client.launch(name=f"{OURS}-1")
    monkeypatch.setenv("LAMBDA_API_BASE_URL", sandbox.base_url)
    said: list[str] = []

    given = panic.Order("lambda", key_file, OURS)

    assert panic.execute(given, say=said.append, ask=lambda _: "yes") == panic.NOT_ASKED
    assert alive(client, mine) == [mine]


def test_durations_that_cannot_be_read_fall_back_to_their_defaults() -> None:
    timing = panic.read_timing(
        {"POLL_SECONDS": "soon", "PROOF_INTERVAL_SECONDS": "-1", "TERMINATE_RETRY_SECONDS": "2"}
    )

    assert (timing.poll_seconds, timing.proof_interval_seconds) == (10.0, 30.0)
    assert timing.terminate_retry_seconds == 2.0


def test_the_parts_of_ones_own_machine_are_asked_for_where_they_are_no_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("secret_not_the_parts", encoding="utf-8")
    said: list[str] = []
    given = panic.Order(platform="ssh", api_key_file=file, installation_id=OURS)

    assert panic.execute(given, say=said.append, ask=lambda _: "") == panic.NOT_ASKED
    assert "private_key" in said[0]
    assert "secret_not_the_parts" not in said[0]
