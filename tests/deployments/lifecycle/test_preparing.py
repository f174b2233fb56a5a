"""Preparing: everything is brought, in as many slices as it takes, and the agent starts once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from core.errors import SlipwayError
from datasets.services import normalised_file
from deployments import machine_tokens
from deployments.lifecycle import preparing
from deployments.models import CloudSnapshot, Machine, MachineToken, RunState
from deployments.models.deployments import Status
from deployments.remote import Result, SshUnreachableError
from deployments.timing import Timing
from deployments.training.job_file import PAYLOAD_FILES, run_folder
from secrets_vault.services import add_entry
from tests import builders
from tests.deployments.virtual.acting import events, leased, with_machine
from tests.deployments.virtual.remote import VirtualRemote
from tests.deployments.virtual.renting import listed
from tests.deployments.virtual.world import World

TIMING = Timing()


def test_payload_dataset_and_job_are_brought_and_the_agent_is_started(world: World) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.PREPARING)
    folder = run_folder(machine.name)

    preparing.prepare(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.agent_started_at == world.clock.now
    assert world.cloud.agents_started == [machine.name]
    assert events(deployment) == ["agent_started"]
    assert {f"{folder}/{name}" for name, _, _ in PAYLOAD_FILES} < at_cloud.files.keys()
    dataset = normalised_file(deployment.job.dataset).read_bytes()
    assert at_cloud.files[f"{folder}/data/dataset.jsonl"] == dataset


def test_I14_the_job_names_the_frozen_recipe_and_the_snapshot(world: World) -> None:
    deployment, machine, at_cloud = with_machine(world, Status.PREPARING, architecture="arm64")

    preparing.prepare(leased(deployment), machine)

    job = json.loads(at_cloud.files[f"{run_folder(machine.name)}/job.json"])
    assert job["run_id"] == machine.name
    assert job["recipe"] == deployment.job.config
    assert job["dataset"]["sha256"] == deployment.job.dataset_sha256
    assert job["job_url"] == ""
    assert not MachineToken.objects.exists()
    assert f"{run_folder(machine.name)}/token" not in at_cloud.files
    assert job["expected"] == {
        "gpu_count": 1,
        "vram_gib": 24,
        "architecture": "arm64",
        "peak_tflops": 125,
    }
    assert job["sharding"] == ""
    used = (world.clock.now - machine.requested_at).total_seconds()
    assert job["deadline_seconds"] == pytest.approx(24 * 3600 - used, abs=5)
    assert job["resume_from"] == ""


def test_T6_with_a_public_address_the_machine_gets_a_token_of_its_own_instead_of_the_data(
    world: World, settings: Settings
) -> None:
    settings.APP_URL = "https://slipway.example"
    deployment, machine, at_cloud = with_machine(world, Status.PREPARING)
    folder = run_folder(machine.name)

    preparing.prepare(leased(deployment), machine)

    plaintext = at_cloud.files[f"{folder}/token"].decode()
    token = machine_tokens.authenticate(plaintext)
    assert token is not None
    assert (token.machine, token.job) == (machine, deployment.job)
    job = at_cloud.files[f"{folder}/job.json"]
    url = f"https://slipway.example/api/training/jobs/{deployment.job_id}"
    assert json.loads(job)["job_url"] == url
    assert plaintext.encode() not in job
    assert f"{folder}/data/dataset.jsonl" not in at_cloud.files


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the first upload of a test end with its slice."""
    real = VirtualRemote.upload
    left = [1]

    def upload(self: VirtualRemote, *args: Any, **kwargs: Any) -> bool:
        if left:
            left.pop()
            return False
        return real(self, *args, **kwargs)

    monkeypatch.setattr(VirtualRemote, "upload", upload)
    yield
    assert not left


@pytest.mark.usefixtures("small_slices")
def test_F34_what_does_not_fit_into_a_slice_goes_on_in_the_next(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)

    assert preparing.prepare(leased(deployment), machine) == 0
    machine.refresh_from_db()
    assert machine.agent_started_at is None
    preparing.prepare(leased(deployment), machine)

    machine.refresh_from_db()
    assert machine.agent_started_at is not None


def test_F39_a_start_without_an_answer_is_asked_again(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)
    world.cloud.fail("start", "unknown")

    assert preparing.prepare(leased(deployment), machine) == TIMING.poll_seconds
    machine.refresh_from_db()
    assert machine.agent_started_at is None
    preparing.prepare(leased(deployment), machine)

    assert world.cloud.agents_started == [machine.name]


def test_F52_a_machine_that_rebooted_while_it_was_prepared_may_be_replaced(world: World) -> None:
    deployment, _, _ = with_machine(world, Status.PREPARING)
    world.cloud.fail("start", "rebooted")

    preparing.prepare(leased(deployment), Machine.objects.get())

    fault = Machine.objects.get().fault
    assert fault is not None
    assert (fault["code"], fault["retryable"]) == ("E_MACHINE_REBOOTED", True)


def test_F40_I11_preparing_twice_starts_one_agent(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)

    preparing.prepare(leased(deployment), machine)
    preparing.prepare(leased(deployment), machine)

    assert world.cloud.agents_started == [machine.name]


def test_a_start_that_fails_says_what_the_machine_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)
    no_python = Result(127, "", "python3: not found")
    monkeypatch.setattr(VirtualRemote, "run", lambda *args, **kwargs: no_python)

    with pytest.raises(SlipwayError, match="python3: not found"):
        preparing.prepare(leased(deployment), machine)


def test_F43_a_machine_that_falls_silent_before_the_agent_runs_is_counted_silent(
    world: World,
) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)
    world.cloud.fail("ssh", *["unreachable"] * 3)
    for _ in range(3):
        listed(world, deployment)
        with pytest.raises(SshUnreachableError):
            preparing.prepare(leased(deployment), machine)

    assert RunState.objects.get(machine=machine).silent_seconds == pytest.approx(22, abs=2)


def test_F43_a_slice_that_worked_ends_the_silence(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)
    RunState.objects.create(machine=machine, silent_seconds=300)

    preparing.prepare(leased(deployment), machine)

    assert RunState.objects.get(machine=machine).silent_seconds == 0


def test_F58_our_own_outage_is_not_the_machines_silence(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)
    world.cloud.fail("ssh", *["unreachable"] * 9)
    world.cloud.fail("list", *["error"] * 9)
    for _ in range(9):
        listed(world, deployment)
        with pytest.raises(SshUnreachableError):
            preparing.prepare(leased(deployment), machine)

    assert CloudSnapshot.objects.get().failed_since is not None
    assert RunState.objects.get(machine=machine).silent_seconds <= 3 * TIMING.poll_seconds


def test_a_missing_dataset_file_is_an_error_and_starts_no_agent(world: World) -> None:
    deployment, machine, _ = with_machine(world, Status.PREPARING)
    normalised_file(deployment.job.dataset).unlink()

    with pytest.raises((OSError, SlipwayError)):
        preparing.prepare(leased(deployment), machine)

    assert Machine.objects.get().agent_started_at is None


@pytest.mark.parametrize("app_url", ["", "https://slipway.example"])
def test_the_file_to_measure_with_is_brought_as_well(
    world: World, settings: Settings, app_url: str
) -> None:
    settings.APP_URL = app_url
    deployment, machine, at_cloud = with_machine(world, Status.PREPARING)
    content = builders.json_lines(builders.chat_rows(60)[45:])
    evaluation = builders.make_dataset(deployment.user, content=content)
    deployment.job.config["eval"]["dataset_id"] = str(evaluation.pk)
    deployment.job.save()

    preparing.prepare(leased(deployment), machine)

    folder = run_folder(machine.name)
    rows = normalised_file(evaluation).read_bytes()
    assert at_cloud.files[f"{folder}/data/eval.jsonl"] == rows
    job = json.loads(at_cloud.files[f"{folder}/job.json"])
    assert job["dataset"]["eval_file"] == "data/eval.jsonl"


class TestHubToken:
    """A base model may ask who downloads it (trap 8): the machine gets the owner's token."""

    TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ2rS4tU6"

    def brought(self, world: World, model: str) -> bytes | None:
        """Return what the machine was brought for this model."""
        deployment, machine, at_cloud = with_machine(world, Status.PREPARING)
        deployment.job.model_name = model
        deployment.job.save()
        preparing.prepare(leased(deployment), Machine.objects.get(pk=machine.pk))
        found: bytes | None = at_cloud.files.get(f"{run_folder(machine.name)}/hub_token")
        job = at_cloud.files[f"{run_folder(machine.name)}/job.json"]
        assert self.TOKEN.encode() not in job
        return found

    @pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B-Instruct", "grace/unknown"])
    def test_it_travels_for_a_model_that_may_ask(self, world: World, model: str) -> None:
        add_entry(world.user, provider="huggingface", secret=self.TOKEN)

        assert self.brought(world, model) == self.TOKEN.encode()

    def test_T6_it_stays_home_for_a_model_that_everybody_may_read(self, world: World) -> None:
        add_entry(world.user, provider="huggingface", secret=self.TOKEN)

        assert self.brought(world, "Qwen/Qwen3-8B") is None

    def test_without_one_in_the_vault_nothing_travels(self, world: World) -> None:
        assert self.brought(world, "grace/unknown") is None
