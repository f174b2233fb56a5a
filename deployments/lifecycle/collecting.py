"""Collecting: the adapter comes home, file by named file, and counts only once it was read back.

Nothing from the machine is unpacked, unpickled or trusted: names come from a checked list, sizes
are capped, each file's sha256 is compared with the manifest's after reading it back (F59 to F62).
"""

import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from core.database import retried
from core.errors import SlipwayError
from core.files import keep, sha256_of
from core.time import database_now
from deployments import clouds
from deployments.archives import artifact_folder, pack
from deployments.lifecycle.lease import Lease
from deployments.models import Artifact, Machine
from deployments.remote import Remote, RemoteFileMissingError, connect
from deployments.run_log import listed_files
from deployments.timing import Timing
from deployments.training.job_file import run_folder

_NAME = r"/[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.(safetensors|json|jinja|txt|model|md)"
ALLOWED_NAME = re.compile("adapter" + _NAME)
MANIFEST_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Kind:
    """What a machine may offer: where it lists it, and within which bounds."""

    manifest: str
    names: re.Pattern[str]
    most_bytes: int
    most_files: int


KINDS = {
    "adapter": Kind("manifest.json", ALLOWED_NAME, 64 * 1024**3, 100),
    "merged": Kind("merged.json", re.compile("merged" + _NAME), 1024**4, 600),
}


class BadArtifactError(SlipwayError):
    """What the machine offers as an adapter is not one (F59, F62)."""

    code = "E_NO_ADAPTER"


def collect(lease: Lease, machine: Machine | None) -> float:
    """Bring home what a slice allows; the last slice checks, keeps and records the adapter."""
    if machine is None:
        raise ValueError("no machine to collect from")
    timing: Timing = settings.TIMING
    deadline = time.monotonic() + timing.slice_seconds
    folder = artifact_folder(machine)
    try:
        with connect(clouds.ssh_target(machine)) as remote:
            files = read_manifest(remote, machine)
            _check_space(folder, files)
            if not download_all(remote, machine, files, folder=folder, deadline=deadline):
                return 0.0
        check_safetensors(folder / "adapter")
    except (BadArtifactError, RemoteFileMissingError) as error:
        # The manifest is complete before the run says that it ended: what is missing never was.
        _refuse(lease, machine, error)
        return 0.0
    archive = pack(folder, files)
    _record(lease, machine, files, archive=archive)
    return 0.0


def read_manifest(
    remote: Remote, machine: Machine, *, kind: str = "adapter"
) -> list[dict[str, object]]:
    """Return the files of a kind as the machine lists them; raises BadArtifactError."""
    bounds = KINDS[kind]
    path = f"{run_folder(machine.name)}/{bounds.manifest}"
    text = remote.read(path, offset=0, limit=MANIFEST_LIMIT_BYTES)
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        raise BadArtifactError("The machine's manifest is not JSON.") from None
    listed = listed_files(manifest.get("files") if isinstance(manifest, dict) else None)
    files = [file for file in listed if bounds.names.fullmatch(str(file["name"]))]
    total = sum(int(str(file["size"])) for file in files)
    if not any(str(file["name"]).endswith(".safetensors") for file in files):
        raise BadArtifactError(f"Training ended, but it left no usable {kind}.")
    if len(files) > bounds.most_files or total > bounds.most_bytes:
        raise BadArtifactError(f"The {kind} is too large: {len(files)} files, {total} bytes.")
    if len({file["name"] for file in files}) < len(files):
        raise BadArtifactError("The machine's manifest lists a file twice.")
    return files


def _check_space(folder: Path, files: list[dict[str, object]]) -> None:
    """F61: the files and their archive must fit; until they do, the machine is kept."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    needed = 2 * sum(int(str(file["size"])) for file in files)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SlipwayError(
            f"The adapter needs {needed} bytes on Slipway's disk, where {free} are free.",
            code="E_DISK",
            remedy="Make room below SLIPWAY_DATA_DIR; until then the machine bills.",
        )


def download_all(
    remote: Remote,
    machine: Machine,
    files: list[dict[str, object]],
    *,
    folder: Path,
    deadline: float,
    named_is_checked: bool = False,
) -> bool:
    """Download, resuming where the last slice ended; True when every file is home and checked.

    ``named_is_checked``: a file that has its name was checked when it got it, and is not read
    again; without it each slice reads all of them.
    """
    for file in files:
        name, size, digest = str(file["name"]), int(str(file["size"])), str(file["sha256"])
        target = folder / name
        if target.exists() and (named_is_checked or sha256_of(target) == digest):
            continue
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = target.with_name(target.name + ".part")
        source = f"{run_folder(machine.name)}/output/{name}"
        if not remote.download(source, part, size=size, deadline=deadline):
            return False
        if sha256_of(part) != digest:
            part.unlink()
            raise SlipwayError(
                f"{name} arrived with another sha256 than the machine listed.",
                code="E_CHECKSUM",
                remedy="We bring it again.",
            )
        keep(part, target)
    return True


def check_safetensors(folder: Path) -> None:
    """Raise BadArtifactError unless every safetensors file has a sound header with tensors (F59).

    Format: 8 bytes little-endian header length, JSON header, data. Source: safetensors README.
    """
    for path in folder.glob("*.safetensors"):
        if not any(key != "__metadata__" for key in _header_of(path)):
            raise BadArtifactError(f"{path.name} holds no weights.")


def _header_of(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= 100_000_000 or 8 + length > path.stat().st_size:
            raise BadArtifactError(f"{path.name} is not a safetensors file.")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        raise BadArtifactError(f"{path.name} has no readable header.")
    return header


def _record(
    lease: Lease, machine: Machine, files: list[dict[str, object]], *, archive: Path
) -> None:
    lease.now = database_now()
    data_dir: Path = settings.SLIPWAY_DATA_DIR
    size = archive.stat().st_size
    artifact = Artifact(
        machine=machine,
        kind="adapter",
        job=machine.deployment.job,
        deployment=machine.deployment,
        name="adapter.tar.gz",
        path=str(archive.relative_to(data_dir)),
        size_bytes=size,
        sha256=sha256_of(archive),
        files=files,
        saved_at=lease.now,
        card_due=True,
    )
    event = lease.event(
        "adapter_home",
        f"The adapter is home: {len(files)} files, each sha256 checked.",
        machine=machine,
        data={"size_bytes": size},
    )

    def write_all() -> None:
        lease.write(event=event)
        artifact.save(force_insert=True)

    retried(write_all)


def _refuse(lease: Lease, machine: Machine, error: SlipwayError) -> None:
    lease.now = database_now()
    fault = {
        "code": BadArtifactError.code,
        "message": error.message,
        "remedy": "Read the end of the run's log for the reason.",
        "retryable": False,
    }
    lease.write(
        machine=machine,
        machine_changes={"fault": fault},
        event=lease.event("no_adapter", error.message, machine=machine),
    )
