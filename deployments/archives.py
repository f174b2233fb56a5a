"""What came home of a machine: where its files lie, and the archive that is handed out."""

import gzip
import tarfile
from pathlib import Path

from django.conf import settings

from core.files import keep
from deployments.models import Machine


def artifact_folder(machine: Machine) -> Path:
    """Return where a machine's artifacts are kept, below the data folder."""
    data_dir: Path = settings.SLIPWAY_DATA_DIR
    return data_dir / "artifacts" / str(machine.deployment.job_id) / machine.name


def pack(folder: Path, files: list[dict[str, object]], *, name: str = "adapter.tar.gz") -> Path:
    """Pack files as an archive beside them, with the same bytes each time; return the archive.

    Nothing is compressed: weights hardly shrink, and a slice has little time (D10).
    """
    target = folder / name
    part = target.with_name(f"{name}.part")
    with (
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as archive,
    ):
        for inside in sorted(str(file["name"]) for file in files):
            path = folder / inside
            entry = tarfile.TarInfo(inside)
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)
    keep(part, target)
    return target
