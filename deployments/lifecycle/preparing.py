"""Preparing: the bundle, the data and the base model go to the machine; the agent starts once."""

import json
import time

from django.conf import settings

from core.files import sha256_of
from core.time import database_now
from datasets.services import normalised_file
from deployments import (
    base_models,
    cards,
    checkpoints,
    clouds,
    earlier_adapters,
    forecasts,
    machine_tokens,
    model_catalogue,
)
from deployments.exports import hub
from deployments.job_parts import EVAL_FILE, evaluation_of, parts_of
from deployments.lifecycle import faults
from deployments.lifecycle.agent_lost import note_agent_lost
from deployments.lifecycle.lease import Lease
from deployments.lifecycle.limits import seconds_left
from deployments.lifecycle.silence import note_look, note_sign_of_life
from deployments.models import Checkpoint, Event, Machine, RunState
from deployments.remote import Remote, RemoteError, Result, connect
from deployments.timing import Timing
from deployments.training import commands
from deployments.training.job_file import PAYLOAD_FILES, build_job, run_folder
from secrets_vault.services import entry_for, open_secret


def prepare(lease: Lease, machine: Machine | None) -> float:
    """Bring what is missing within one slice, then start the agent; repeat until it runs.

    Every step leaves the same end state when repeated (F34, F39), so a cut or a crash costs
    only time. Returns when to look again.
    """
    if machine is None:
        raise ValueError("no machine to prepare")
    timing: Timing = settings.TIMING
    run, _ = RunState.objects.get_or_create(machine=machine)
    deadline = time.monotonic() + timing.slice_seconds
    resumed = checkpoints.to_go_on_from(machine.deployment)
    if (gone := _gone_at_home(machine, resumed)) is not None:
        event = lease.event("checkpoint_gone", gone["message"], machine=machine)
        lease.write(machine=machine, machine_changes={"fault": gone}, event=event)
        return 0.0
    try:
        started = _bring_and_start(machine, resumed, deadline=deadline)
    except RemoteError:
        note_look(machine, run, timing=timing)
        raise
    note_sign_of_life(machine)
    if started is None:
        return 0.0
    if started.exit_status is None:
        # Unknown outcome: the start is idempotent, so the next tick asks again (F39).
        return timing.poll_seconds
    if note_agent_lost(lease, machine, started):
        return 0.0
    if started.exit_status != 0:
        raise commands.start_failed(started.stderr or started.stdout)
    lease.now = database_now()
    lease.write(
        machine=machine,
        machine_changes={"agent_started_at": lease.now},
        event=_started(lease, machine, resumed),
    )
    return min(1.0, timing.poll_seconds)


def _gone_at_home(machine: Machine, resumed: Checkpoint | None) -> faults.Fault | None:
    """Say what its owner chose to go on with and is not at home: never begin without it."""
    deployment = machine.deployment
    if resumed is None and deployment.resume_from is not None:
        return faults.gone_at_home(f"Checkpoint {deployment.resume_from.step}")
    if not earlier_adapters.is_whole(deployment.job.config):
        return faults.gone_at_home("The adapter to start from")
    return None


def _started(lease: Lease, machine: Machine, resumed: Checkpoint | None) -> Event:
    message, data = "The agent runs on the machine.", {}
    if resumed is not None:
        message = f"The agent runs on the machine and goes on from checkpoint {resumed.step}."
        data = {"checkpoint": str(resumed.pk), "step": resumed.step}
    return lease.event("agent_started", message, machine=machine, data=data)


def _bring_and_start(
    machine: Machine, resumed: Checkpoint | None, *, deadline: float
) -> Result | None:
    """Return what the start command said, None when the slice ended before everything was there."""
    with connect(clouds.ssh_target(machine)) as remote:
        if not _bring_files(remote, machine, resumed, deadline=deadline):
            return None
        if settings.APP_URL:
            # Never in job.json, a command or the environment: those are seen by others (T16).
            token = machine_tokens.mint(machine).encode()
            remote.write(f"{run_folder(machine.name)}/token", token, mode=0o600)
        _bring_hub_token(remote, machine)
        job = json.dumps(_job(machine, resumed), indent=2, sort_keys=True).encode()
        remote.write(f"{run_folder(machine.name)}/job.json", job, mode=0o600)
        return remote.run(commands.start_agent(machine.name), timeout_seconds=20)


def _bring_hub_token(remote: Remote, machine: Machine) -> None:
    """Bring the owner's token of the Hub for a base model that may ask for one (trap 8).

    The machine deletes the file once the model is there; to a model that everybody may read no
    token goes along.
    """
    job = machine.deployment.job
    entry = entry_for(job.user, hub.PROVIDER)
    if entry is None or not model_catalogue.may_be_gated(job.model_name):
        return
    token = open_secret(entry).encode()
    remote.write(f"{run_folder(machine.name)}/hub_token", token, mode=0o600)


def _bring_files(
    remote: Remote, machine: Machine, resumed: Checkpoint | None, *, deadline: float
) -> bool:
    folder = run_folder(machine.name)
    for name, path, mode in PAYLOAD_FILES:
        remote.write(f"{folder}/{name}", path.read_bytes(), mode=mode)
    if not bring_base_model(remote, machine, deadline=deadline):
        return False
    if resumed is not None and not _bring_checkpoint(remote, machine, resumed, deadline=deadline):
        return False
    if not _bring_adapter(remote, machine, deadline=deadline):
        return False
    if not bring_evaluation(remote, machine, deadline=deadline):
        return False
    if settings.APP_URL:
        return True
    return bring_dataset(remote, machine, deadline=deadline)


def _bring_checkpoint(
    remote: Remote, machine: Machine, checkpoint: Checkpoint, *, deadline: float
) -> bool:
    """Upload a checkpoint to where the machine saves its own; its manifest, the last, ends it."""
    home = checkpoints.folder_of(checkpoint).parent
    return all(
        remote.upload(
            home / file["name"],
            f"{run_folder(machine.name)}/output/{file['name']}",
            sha256=file["sha256"],
            deadline=deadline,
        )
        for file in checkpoint.files
    )


def _bring_adapter(remote: Remote, machine: Machine, *, deadline: float) -> bool:
    """Upload the adapter that the job starts from, to where train_adapter.py looks for it."""
    folder = f"{run_folder(machine.name)}/start_adapter"
    return all(
        remote.upload(path, f"{folder}/{path.name}", sha256=digest, deadline=deadline)
        for path, digest in earlier_adapters.files_of(machine.deployment.job.config)
    )


def bring_base_model(remote: Remote, machine: Machine, *, deadline: float) -> bool:
    """Upload a local base model, file by file; True when all of it is there."""
    local = base_models.local_folder(machine.deployment.job.model_name)
    if local is None:
        return True
    folder = run_folder(machine.name)
    return all(
        remote.upload(
            path,
            f"{folder}/base_model/{path.name}",
            sha256=sha256_of(path),
            deadline=deadline,
        )
        for path in base_models.files(local)
    )


def bring_evaluation(remote: Remote, machine: Machine, *, deadline: float) -> bool:
    """Upload the data to measure with, where it is a file of its own; True when it is there.

    It is small beside the training data, so it always comes this way.
    """
    evaluation = evaluation_of(machine.deployment.job)
    return evaluation is None or remote.upload(
        normalised_file(evaluation),
        f"{run_folder(machine.name)}/{EVAL_FILE}",
        sha256=evaluation.normalised_sha256,
        deadline=deadline,
    )


def bring_dataset(remote: Remote, machine: Machine, *, deadline: float) -> bool:
    """Upload the dataset snapshot; True when all of it is there and its sha256 matches."""
    dataset = machine.deployment.job.dataset
    return remote.upload(
        normalised_file(dataset),
        f"{run_folder(machine.name)}/data/dataset.jsonl",
        sha256=dataset.normalised_sha256,
        deadline=deadline,
    )


def _job(machine: Machine, resumed: Checkpoint | None) -> dict[str, object]:
    timing: Timing = settings.TIMING
    deployment = machine.deployment
    job = deployment.job
    return build_job(
        run_id=machine.name,
        **parts_of(deployment),
        # F36: the machine asks for an address of the data when it is ready to fetch it.
        job_url=f"{settings.APP_URL}/api/training/jobs/{job.pk}" if settings.APP_URL else "",
        deadline_seconds=seconds_left(
            deployment.machines.order_by("attempt", "node"), deployment, now=database_now()
        ),
        heartbeat_seconds=timing.heartbeat_seconds,
        silence_limit_seconds=timing.control_silence_limit_seconds,
        allow_cpu=settings.ALLOW_CPU_MACHINES,
        torch_index_url=settings.TORCH_INDEX_URL,
        hub_endpoint=settings.HF_ENDPOINT,
        expected={
            "gpu_count": machine.gpu_count,
            "vram_gib": machine.vram_gib,
            "architecture": machine.architecture,
            "peak_tflops": cards.peak_tflops_of(machine.instance_type),
        },
        sharding=forecasts.sharding_of(
            job.config, job.dataset, gpu_count=machine.gpu_count, vram_gib=machine.vram_gib
        ),
        resume_from=checkpoints.name_of(resumed) if resumed is not None else "",
    )
