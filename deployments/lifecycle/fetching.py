"""Fetching: a checkpoint comes home while its run goes on, a slice after each look at the machine.

As for an adapter, nothing from the machine is unpacked, unpickled or trusted: names come from a
checked list, sizes are capped, each sha256 is compared after reading back (F62, T3). Optimizer and
random states are pickles: they are carried as bytes, to a next machine and to nobody else.
"""

import re
import shutil
import time
from datetime import datetime
from pathlib import Path

from django.conf import settings

from core.database import retried
from core.errors import SlipwayError
from core.files import sha256_of
from core.time import database_now
from deployments import checkpoints, clouds
from deployments.archives import pack
from deployments.lifecycle.collecting import (
    BadArtifactError,
    check_safetensors,
    download_all,
)
from deployments.lifecycle.lease import FETCH, Lease
from deployments.models import Checkpoint, Deployment, Machine, RunState
from deployments.remote import RemoteError, SshUnreachableError, connect
from deployments.run_log import listed_files
from deployments.timing import Timing
from deployments.training.job_file import run_folder

# Weights and settings first, as the machine lists them; the manifest lets it see what is whole.
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.(safetensors|json|jinja|txt|model)")
STATE_NAME = re.compile(r"(optimizer|scheduler|scaler)\.pt|rng_state(_\d{1,4})?\.pth")
NEEDED = frozenset(
    {
        "adapter_model.safetensors",
        "manifest.json",
        "optimizer.pt",
        "scheduler.pt",
        "trainer_state.json",
    }
)
MAX_FILES = 60
TOTAL_LIMIT_BYTES = 16 * 1024**3
# The last room at home is the database's and the adapter's (F61).
LEFT_FREE_BYTES = 1024**3
# Of a worker's four SSH processes; the others are for following, landing and collecting.
AT_ONCE = 2
# Also where looks follow each other faster, each slice brings something.
SHORTEST_SLICE_SECONDS = 1.0


class LeftBehindError(SlipwayError):
    """This checkpoint is not brought home, for a reason that another try would not change."""

    code = "E_CHECKPOINT"


def fetch(lease: Lease, machine: Machine | None) -> float:
    """Bring home what a slice allows of the checkpoint that waits; the last slice records it.

    The slice ends when the next look at the machine is due. Returns when to decide again.
    """
    if machine is None:
        raise ValueError("no machine to fetch from")
    timing: Timing = settings.TIMING
    lease.renew(purpose=FETCH, seconds=timing.lease_seconds)
    checkpoint = checkpoints.waiting(machine)
    if checkpoint is None:
        return 0.0
    run = RunState.objects.get(machine=machine)
    left = _seconds_to_next_look(run, now=lease.now, timing=timing)
    _note_slice(checkpoint, now=lease.now)
    if _too_many_fetch(lease):
        return min(left, timing.poll_seconds)
    deadline = time.monotonic() + max(left, SHORTEST_SLICE_SECONDS)
    try:
        files = listed(checkpoint)
        _check_space(checkpoint, files)
        if not _download(machine, checkpoint, files, deadline=deadline):
            return 0.0
        check_safetensors(checkpoints.folder_of(checkpoint))
    except (LeftBehindError, BadArtifactError) as error:
        _leave(lease, machine, checkpoint, error.message)
        return 0.0
    except OSError as error:
        _leave(lease, machine, checkpoint, f"Slipway could not keep it: {error.strerror}.")
        return 0.0
    except RemoteError:
        return min(left, timing.ssh_retry_seconds)
    _record(lease, machine, checkpoint, files)
    checkpoints.clean_up(checkpoint.job_id)
    return 0.0


def listed(checkpoint: Checkpoint) -> list[dict[str, object]]:
    """Return its files as the machine told them; raises LeftBehindError unless they may be one."""
    files = listed_files(checkpoint.files)
    prefix = f"{checkpoints.name_of(checkpoint)}/"
    names = [str(file["name"]).removeprefix(prefix) for file in files]
    fine = len(files) == len(checkpoint.files) <= MAX_FILES and all(
        str(file["name"]) == prefix + name and (_is_safe(name) or STATE_NAME.fullmatch(name))
        for file, name in zip(files, names, strict=True)
    )
    if not fine or len(set(names)) < len(names):
        raise LeftBehindError("The machine's list of its files is not that of a checkpoint.")
    if lacking := NEEDED - set(names):
        raise LeftBehindError(f"The machine's list lacks {', '.join(sorted(lacking))}.")
    if _size(files) > TOTAL_LIMIT_BYTES:
        raise LeftBehindError(
            f"It is too large: {_size(files)} bytes, where {TOTAL_LIMIT_BYTES} are allowed."
        )
    return files


def _is_safe(name: str) -> bool:
    return SAFE_NAME.fullmatch(name) is not None


def _size(files: list[dict[str, object]]) -> int:
    return sum(int(str(file["size"])) for file in files)


def _seconds_to_next_look(run: RunState, *, now: datetime, timing: Timing) -> float:
    """Until when nothing else is to be done; a run that has ended is looked at no more."""
    if run.exit is not None or run.looked_at is None:
        return timing.slice_seconds
    left = timing.poll_seconds - (now - run.looked_at).total_seconds()
    return min(max(left, 0.0), timing.slice_seconds)


def _note_slice(checkpoint: Checkpoint, *, now: datetime) -> None:
    """Write down that a slice goes to it, before anything is done, so that a look comes next."""
    if checkpoint.fetch_tried_at is None:
        # Parts from before belong to what the machine has since replaced.
        shutil.rmtree(checkpoints.folder_of(checkpoint), ignore_errors=True)
    Checkpoint.objects.filter(pk=checkpoint.pk).update(fetch_tried_at=now)


def _too_many_fetch(lease: Lease) -> bool:
    busy = Deployment.objects.filter(lease_purpose=FETCH, lease_until__gt=lease.now)
    return busy.exclude(pk=lease.deployment.pk).count() >= AT_ONCE


def _check_space(checkpoint: Checkpoint, files: list[dict[str, object]]) -> None:
    """F61: what is still to come and the archive must fit, and leave room."""
    folder = checkpoints.folder_of(checkpoint)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    have = sum(path.stat().st_size for path in folder.iterdir())
    needed = 2 * _size(files) - have + LEFT_FREE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LeftBehindError(
            f"It needs {needed} free bytes on Slipway's disk, where {free} are free."
        )


def _download(
    machine: Machine, checkpoint: Checkpoint, files: list[dict[str, object]], *, deadline: float
) -> bool:
    folder = checkpoints.folder_of(checkpoint).parent
    with connect(clouds.ssh_target(machine)) as remote:
        # The machine keeps it for us, however fast it saves others.
        held = f"{checkpoints.name_of(checkpoint)}\n".encode()
        remote.write(f"{run_folder(machine.name)}/control/held", held, mode=0o600)
        try:
            return download_all(remote, machine, files, folder=folder, deadline=deadline)
        except SshUnreachableError:
            raise
        except SlipwayError as error:
            # A file that is gone, too short, or another than was told.
            raise LeftBehindError(error.message) from None


def _record(
    lease: Lease, machine: Machine, checkpoint: Checkpoint, files: list[dict[str, object]]
) -> None:
    """Pack its adapter, and only then say that it is home."""
    archive = _packed(checkpoint, files)
    data_dir: Path = settings.SLIPWAY_DATA_DIR
    size, digest = archive.stat().st_size, sha256_of(archive)
    lease.now = database_now()
    event = lease.event(
        "checkpoint_home",
        f"Checkpoint {checkpoint.step} is home: {len(files)} files, each sha256 checked.",
        machine=machine,
        data={"checkpoint": str(checkpoint.pk), "step": checkpoint.step, "size_bytes": size},
    )

    def write_all() -> None:
        # A machine that has told it anew meanwhile has another one than this.
        rows = Checkpoint.objects.filter(pk=checkpoint.pk, at=checkpoint.at)
        came = rows.update(
            home_at=lease.now,
            home_path=str(archive.relative_to(data_dir)),
            home_sha256=digest,
            home_size_bytes=size,
        )
        if came:
            lease.write(event=event)
            checkpoints.drop_older(checkpoint.job_id)

    retried(write_all)


def _packed(checkpoint: Checkpoint, files: list[dict[str, object]]) -> Path:
    """Pack what may be handed out: neither pickles nor the manifest that speaks of them."""
    safe = [file for file in files if _is_safe(str(file["name"]).rpartition("/")[2])]
    given = [file for file in safe if not str(file["name"]).endswith("/manifest.json")]
    archive = checkpoints.archive_of(checkpoint)
    return pack(archive.parent, given, name=archive.name)


def _leave(lease: Lease, machine: Machine, checkpoint: Checkpoint, why: str) -> None:
    """Say why this one stays on the machine; the next one gets a try of its own."""
    shutil.rmtree(checkpoints.folder_of(checkpoint), ignore_errors=True)
    lease.now = database_now()
    event = lease.event(
        "checkpoint_left",
        f"Checkpoint {checkpoint.step} stays on the machine. {why}",
        machine=machine,
        data={"checkpoint": str(checkpoint.pk), "step": checkpoint.step},
    )

    def write_all() -> None:
        lease.write(event=event)
        Checkpoint.objects.filter(pk=checkpoint.pk).update(left_because=why[:300])

    retried(write_all)
