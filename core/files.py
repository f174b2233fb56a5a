"""Files on our own disk: what they hold, and making them last."""

import hashlib
import os
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as read back from disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keep(part: Path, target: Path) -> None:
    """Make a finished file durable under its name: flush, rename, flush the folder (I11)."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
