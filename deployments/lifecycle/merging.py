"""Bringing home a merged model, after its adapter: an addition that no run waits for in vain.

It is several gigabytes, so each file counts as checked from when it has its name, and nothing is
packed: the download is made of the files on its way.
"""

import hashlib
import shutil
import time
from pathlib import Path

from django.conf import settings

from core.database import retried
from core.time import database_now
from deployments import clouds
from deployments.archives import artifact_folder, tar_size
from deployments.lifecycle.collecting import (
    BadArtifactError,
    check_safetensors,
    download_all,
    read_manifest,
)
from deployments.lifecycle.lease import Lease
from deployments.models import Artifact, Machine
from deployments.remote import RemoteFileMissingError, connect
from deployments.timing import Timing

MERGED = "merged"


def collect_merged(lease: Lease, machine: Machine | None) -> float:
    """Bring home what a slice allows; the last slice checks and records the merged model."""
    if machine is None:
        raise ValueError("no machine to collect from")
    timing: Timing = settings.TIMING
    deadline = time.monotonic() + timing.slice_seconds
    folder = artifact_folder(machine)
    try:
        with connect(clouds.ssh_target(machine)) as remote:
            files = read_manifest(remote, machine, kind=MERGED)
            _check_space(folder, files)
            whole = download_all(
                remote, machine, files, folder=folder, deadline=deadline, named_is_checked=True
            )
        if not whole:
            return 0.0
        check_safetensors(folder / MERGED)
    except (BadArtifactError, RemoteFileMissingError) as error:
        _leave(lease, machine, error.message)
        return 0.0
    _record(lease, machine, files)
    return 0.0


def listing(files: list[dict[str, object]]) -> str:
    """Return the files' sums as ``sha256sum --check`` reads them; their own sum names them all."""
    lines = (f"{file['sha256']}  {file['name']}\n" for file in files)
    return "".join(sorted(lines))


def _check_space(folder: Path, files: list[dict[str, object]]) -> None:
    """What is missing must fit; no machine is kept for want of room here."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    missing = [file for file in files if not (folder / str(file["name"])).exists()]
    needed = sum(int(str(file["size"])) for file in missing)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BadArtifactError(
            f"The merged model needs {needed} bytes on Slipway's disk, where {free} are free."
        )


def remove_unless_whole(machine: Machine) -> None:
    """Remove what came home of a merged model whose run ended before all of it had."""
    if not Artifact.objects.filter(machine=machine, kind=MERGED).exists():
        shutil.rmtree(artifact_folder(machine) / MERGED, ignore_errors=True)


def _leave(lease: Lease, machine: Machine, why: str) -> None:
    shutil.rmtree(artifact_folder(machine) / MERGED, ignore_errors=True)
    lease.now = database_now()
    lease.write(
        machine=machine,
        machine_changes={"merged_left": True},
        event=lease.event(
            "merged_left", f"The merged model is left behind: {why}", machine=machine
        ),
    )


def _record(lease: Lease, machine: Machine, files: list[dict[str, object]]) -> None:
    lease.now = database_now()
    data_dir: Path = settings.SLIPWAY_DATA_DIR
    artifact = Artifact(
        machine=machine,
        kind=MERGED,
        job=machine.deployment.job,
        deployment=machine.deployment,
        name="merged.tar",
        path=str((artifact_folder(machine) / MERGED).relative_to(data_dir)),
        size_bytes=tar_size(files),
        sha256=hashlib.sha256(listing(files).encode()).hexdigest(),
        files=files,
        saved_at=lease.now,
    )
    event = lease.event(
        "merged_home",
        f"The merged model is home: {len(files)} files, each sha256 checked.",
        machine=machine,
        data={"size_bytes": artifact.size_bytes},
    )

    def write_all() -> None:
        lease.write(event=event)
        artifact.save(force_insert=True)

    retried(write_all)
