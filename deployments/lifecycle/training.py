"""Training: read the run log, pass on the user's wishes, bring what the agent asks for."""

import time

from django.conf import settings

from core.time import database_now
from deployments import clouds
from deployments.lifecycle.lease import Lease
from deployments.lifecycle.preparing import bring_base_model, bring_dataset
from deployments.models import Machine, RunState
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
            _bring_requested(remote, machine, deadline=deadline)
    except RemoteError:
        _note_look(machine, run, timing=timing)
        return timing.ssh_retry_seconds
    _note_look(machine, run, timing=timing)
    return timing.poll_seconds


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


def _pass_on_wishes(remote: Remote, lease: Lease, machine: Machine) -> None:
    """Ask the agent to stop once the landing has begun; the file may be written again."""
    if lease.deployment.status == Status.COLLECTING:
        remote.write(f"{run_folder(machine.name)}/control/stop", b"stop\n", mode=0o600)


def _bring_requested(remote: Remote, machine: Machine, *, deadline: float) -> None:
    run = RunState.objects.get(machine=machine)
    for wanted in run.requests:
        if BRING[wanted](remote, machine, deadline=deadline):
            left = [name for name in run.requests if name != wanted]
            RunState.objects.filter(pk=run.pk).update(requests=left)


def _note_look(machine: Machine, before: RunState, *, timing: Timing) -> None:
    """Count the silence: time between two looks of ours in which no news came."""
    now = database_now()
    run = RunState.objects.get(machine=machine)
    silent = 0.0
    if run.accepted_through == before.accepted_through and before.looked_at is not None:
        # A control plane that slept must not blame the machine: one gap counts little.
        gap = (now - before.looked_at).total_seconds()
        silent = run.silent_seconds + min(gap, 3 * timing.poll_seconds)
    RunState.objects.filter(pk=run.pk).update(looked_at=now, silent_seconds=silent)
