"""Training: read the run log, pass on the user's wishes, bring what the agent asks for."""

import time
from contextlib import suppress

from django.conf import settings
from django.db import transaction

from deployments import checkpoints, clouds
from deployments.lifecycle.agent_lost import look_after_agent
from deployments.lifecycle.lease import Lease
from deployments.lifecycle.preparing import bring_base_model, bring_dataset
from deployments.lifecycle.silence import note_look
from deployments.models import Deployment, Machine, RunState
from deployments.models.deployments import Status
from deployments.remote import Remote, RemoteError, RemoteFileMissingError, connect
from deployments.run_log import ingest, parse_lines
from deployments.timing import Timing
from deployments.training.job_file import run_folder

CHUNK_BYTES = 1024 * 1024
BRING = {"dataset": bring_dataset, "base_model": bring_base_model}


def follow(lease: Lease, machine: Machine | None) -> float:
    """Take what is new in the machine's run log; return when to look again.

    A machine that cannot be reached is not blamed: its silence is counted, and only while the
    cloud goes on listing it (F43).
    """
    if machine is None:
        raise ValueError("no machine to follow")
    timing: Timing = settings.TIMING
    run, _ = RunState.objects.get_or_create(machine=machine)
    deadline = time.monotonic() + timing.slice_seconds
    try:
        with connect(clouds.ssh_target(machine)) as remote:
            _pass_on_wishes(remote, lease, machine)
            read_run_log(remote, machine, deadline=deadline)
            show_that_we_looked(remote, machine)
            look_after_agent(remote, lease, machine)
            _bring_requested(remote, machine, deadline=deadline)
    except RemoteError:
        note_look(machine, run, timing=timing)
        return timing.ssh_retry_seconds
    note_look(machine, run, timing=timing)
    # Until the next look there is time for a checkpoint.
    trains = lease.deployment.status == Status.TRAINING
    return 0.0 if trains and checkpoints.waiting(machine) else timing.poll_seconds


def read_run_log(remote: Remote, machine: Machine, *, deadline: float) -> None:
    """Read on from where the last look ended, until the end of the log or of the slice."""
    path = f"{run_folder(machine.name)}/run.jsonl"
    while time.monotonic() < deadline:
        offset = RunState.objects.get(machine=machine).log_offset
        try:
            chunk = remote.read(path, offset=offset, limit=CHUNK_BYTES)
        except RemoteFileMissingError:
            return
        events, consumed = parse_lines(chunk)
        if consumed == 0:
            return
        ingest(machine, events, log_offset=offset + consumed)


def show_that_we_looked(remote: Remote, machine: Machine) -> None:
    """Touch what the agent watches, or it believes that nobody minds its run any more."""
    # A full disk must not keep us from reading why it is full.
    with suppress(RemoteError):
        remote.write(f"{run_folder(machine.name)}/control/seen", b"seen\n", mode=0o600)


def _pass_on_wishes(remote: Remote, lease: Lease, machine: Machine) -> None:
    """Ask the agent to stop once the landing has begun, or to save; both may be written again."""
    control = f"{run_folder(machine.name)}/control"
    if lease.deployment.status == Status.COLLECTING:
        remote.write(f"{control}/stop", b"stop\n", mode=0o600)
    asked_at = lease.deployment.save_asked_at
    if lease.deployment.status == Status.TRAINING and asked_at is not None:
        remote.write(f"{control}/save", b"save\n", mode=0o600)
        # Asked again meanwhile, it stands and is passed on at the next look.
        rows = Deployment.objects.filter(pk=lease.deployment.pk, save_asked_at=asked_at)
        rows.update(save_asked_at=None)


def _bring_requested(remote: Remote, machine: Machine, *, deadline: float) -> None:
    run = RunState.objects.get(machine=machine)
    brought = {
        wanted for wanted in run.requests if BRING[wanted](remote, machine, deadline=deadline)
    }
    if not brought:
        return
    with transaction.atomic():
        # Read again: the machine may have asked for more while we brought this.
        run = RunState.objects.select_for_update().get(pk=run.pk)
        run.requests = [wanted for wanted in run.requests if wanted not in brought]
        run.save(update_fields=["requests"])
