"""What came home of a machine: where its files lie, and the archive that is handed out."""

import gzip
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from django.conf import settings

from core.files import keep
from deployments.models import Machine

CHUNK_BYTES = 1024 * 1024


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


def tar_of(folder: Path, files: Sequence[Mapping[str, object]]) -> Iterator[bytes]:
    """Yield files below a folder as .tar, made on the way, with the same bytes each time.

    Raises: OSError when a file is gone or has another size than it was listed with.
    """
    for file in files:
        size = int(str(file["size"]))
        yield _head(file)
        with (folder / str(file["name"])).open("rb") as content:
            left = size
            while left > 0:
                chunk = content.read(min(CHUNK_BYTES, left))
                if not chunk:
                    raise OSError(f"{file['name']} became shorter.")
                left -= len(chunk)
                yield chunk
        yield bytes(-size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def tar_size(files: Sequence[Mapping[str, object]]) -> int:
    """Return how many bytes ``tar_of`` yields."""
    sizes = [int(str(file["size"])) for file in files]
    heads = sum(len(_head(file)) for file in files)
    return heads + sum(size + -size % tarfile.BLOCKSIZE for size in sizes) + 2 * tarfile.BLOCKSIZE


def _head(file: Mapping[str, object]) -> bytes:
    entry = tarfile.TarInfo(str(file["name"]))
    entry.size, entry.mode = int(str(file["size"])), 0o644
    return entry.tobuf(tarfile.PAX_FORMAT)
