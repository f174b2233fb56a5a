"""Where uploaded bytes live: a folder per dataset below the data folder, outside any web root.

Names come from us, never from the uploader (T18). Files are private (0600) and appear under their
name only when every byte of them is on the disk.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from django.conf import settings

from core.errors import TooLargeError

UPLOAD = "upload"
NORMALISED = "rows.jsonl"
_CHUNK_BYTES = 256 * 1024


class Readable(Protocol):
    """Anything that gives bytes, such as an open file or an upload."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Stored:
    """A file in place; ``path`` is relative to the data folder."""

    path: str
    sha256: str
    size_bytes: int


def store_upload(dataset_id: UUID, file: Readable) -> Stored:
    """Copy an upload to its place.

    Raises: TooLargeError as soon as more bytes come than DATASET_SIZE_LIMIT_BYTES.
    """
    limit = settings.DATASET_SIZE_LIMIT_BYTES
    with writer(dataset_id, UPLOAD) as target:
        while chunk := file.read(_CHUNK_BYTES):
            target.write(chunk)
            if target.size_bytes > limit:
                raise too_large()
        return target.finish()


def too_large() -> TooLargeError:
    """Return the error for an upload beyond the limit."""
    mebibytes = settings.DATASET_SIZE_LIMIT_BYTES / 1024**2
    return TooLargeError(
        f"The file is larger than {mebibytes:g} MiB.",
        remedy="Upload less data, or ask the operator to raise DATASET_SIZE_LIMIT_BYTES.",
        param="file",
    )


class PartFile:
    """A file being written beside its place; ``finish`` puts it there, leaving drops it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._part.unlink(missing_ok=True)
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._hash.update(content)
        self.size_bytes += len(content)

    def finish(self) -> Stored:
        """Bring every byte to the disk, then rename, then the folder's entry to the disk too."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return Stored(
            path=str(self._path.relative_to(_root())),
            sha256=self._hash.hexdigest(),
            size_bytes=self.size_bytes,
        )


def same_as_upload(dataset_id: UUID, upload: Stored) -> Stored:
    """Give an upload that needs no other form the name of the normalised rows as well."""
    target = _folder(dataset_id) / NORMALISED
    target.unlink(missing_ok=True)
    target.hardlink_to(_root() / upload.path)
    return replace(upload, path=str(target.relative_to(_root())))


def writer(dataset_id: UUID, name: str) -> PartFile:
    """Return a writer for one of the dataset's two files; use it with ``with``."""
    return PartFile(_folder(dataset_id) / name)


def path_of(stored_path: str) -> Path:
    """Return the absolute path of a stored file."""
    return _root() / stored_path


def remove(dataset_id: UUID) -> None:
    """Remove all of a dataset's files; none left is fine."""
    shutil.rmtree(_folder(dataset_id), ignore_errors=True)


def _root() -> Path:
    return Path(settings.SLIPWAY_DATA_DIR)


def _folder(dataset_id: UUID) -> Path:
    return _root() / "datasets" / str(dataset_id)
