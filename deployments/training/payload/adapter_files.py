"""An adapter's files: what may leave the machine, whether they are sound, and the manifest.

Standard library only; used by the agent, and by train.py for what it saves.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Collection, Iterator

from agent_failures import RunFailedError

# What an adapter may hold. Never pickles, such as training_args.bin and optimizer.pt.
SAFE_SUFFIXES = frozenset({".safetensors", ".json", ".jinja", ".txt", ".md"})
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
# Safe files of a checkpoint that are no part of its adapter.
OF_A_CHECKPOINT = frozenset({"trainer_state.json", "manifest.json"})
MAX_HEADER_BYTES = 100_000_000
CHUNK_BYTES = 16 * 1024 * 1024
# Bytes of a number, and which of its bits are all set when it is not finite. Little-endian.
_LAYOUTS = {
    "F64": (8, 0x7F, 0xF0),
    "F32": (4, 0x7F, 0x80),
    "BF16": (2, 0x7F, 0x80),
    "F16": (2, 0x7C, 0),
}


def clean(folder: Path, *, base_model: str, revision: str | None = None) -> None:
    """Make what peft saved fit to be handed out.

    The config names the base model as the world knows it, not by its path on this machine; the
    model card, which says that path too, and the pickled arguments are removed.
    """
    for name in ("README.md", "training_args.bin"):
        (folder / name).unlink(missing_ok=True)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_model
    config["revision"] = revision
    part = folder / (CONFIG + ".part")
    part.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(folder / CONFIG)


def check(folder: Path) -> None:
    """Raise RunFailedError unless the folder holds an adapter with finite weights (F59).

    Format: 8 bytes little-endian header length, JSON header, data. Source: safetensors README.
    """
    path = folder / WEIGHTS
    try:
        json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = list(_tensors(path))
        for kind, start, length in tensors:
            if not _is_finite(path, kind, start, length):
                raise _unusable("its weights hold numbers that are not finite")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(f"{type(error).__name__}: {error}"[:300]) from None
    if not tensors:
        raise _unusable("it holds no weights")


def _unusable(why: str) -> RunFailedError:
    return RunFailedError(
        "E_NO_ADAPTER",
        f"Training ended, but it left no usable adapter: {why}.",
        remedy="Read the end of the run's log for the reason.",
    )


def _tensors(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield (type, first byte in the file, length in bytes) of each tensor."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= MAX_HEADER_BYTES or 8 + length > size:
            raise ValueError("no safetensors header")
        header = json.loads(file.read(length))
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        start, end = tensor["data_offsets"]
        if not 0 <= start <= end <= size - 8 - length:
            raise ValueError(f"{name} lies outside the file")
        yield str(tensor["dtype"]), 8 + length + start, end - start


def _is_finite(path: Path, kind: str, start: int, length: int) -> bool:
    """Whether no number has all exponent bits set, which is how NaN and infinity are written."""
    if kind not in _LAYOUTS:
        return True
    width, high, low = _LAYOUTS[kind]
    # The top byte's exponent bits are all set, whatever the sign and the bits below them.
    pattern = re.compile(
        b"[" + b"".join(re.escape(bytes([b])) for b in range(256) if b & high == high) + b"]"
    )
    with path.open("rb") as file:
        file.seek(start)
        while length > 0:
            chunk = file.read(min(CHUNK_BYTES, length))
            if not chunk:
                raise ValueError("the file ends early")
            length -= len(chunk)
            below = chunk[width - 2 :: width]
            for found in pattern.finditer(chunk[width - 1 :: width]):
                if below[found.start()] & low == low:
                    return False
    return True


def checkpoints(output: Path) -> list[Path]:
    """Return the whole checkpoints, newest first; a half-written one has no readable state."""
    found = []
    for folder in output.glob("checkpoint-*"):
        number = folder.name.rpartition("-")[2]
        try:
            json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if number.isdigit():
            found.append((int(number), folder))
    return [folder for _, folder in sorted(found, reverse=True)]


def rescue(output: Path, *, base_model: str, revision: str | None = None) -> Path | None:
    """Make the newest sound checkpoint the adapter and return it; None if there is none (F47)."""
    for checkpoint in checkpoints(output):
        try:
            check(checkpoint)
        except RunFailedError:
            continue
        part = output / "adapter.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for path in _files(checkpoint, SAFE_SUFFIXES):
            if path.name not in OF_A_CHECKPOINT:
                shutil.copy2(path, part / path.name)
        clean(part, base_model=base_model, revision=revision)
        put_in_place(part, output / "adapter")
        return checkpoint
    return None


def put_in_place(part: Path, target: Path) -> None:
    """Make a finished folder durable under its name (F51): flush its files, then rename it."""
    for path in [*part.iterdir(), part]:
        _flush(path)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def listed(
    folder: Path, *, below: Path, suffixes: Collection[str] = SAFE_SUFFIXES
) -> list[dict[str, Any]]:
    """Describe each file with one of these suffixes, weights first."""
    return [described(path, below=below) for path in _files(folder, suffixes)]


def described(path: Path, *, below: Path) -> dict[str, Any]:
    """Return a file's name (relative to ``below``), size and sha256."""
    return {
        "name": path.relative_to(below).as_posix(),
        "size": path.stat().st_size,
        "sha256": _sha256(path),
    }


def write_manifest(path: Path, files: list[dict[str, Any]]) -> None:
    """Write the manifest whole: to another name, flushed, then renamed."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump({"files": files}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    files = [
        path
        for path in folder.iterdir()
        if path.is_file() and not path.is_symlink() and path.suffix in suffixes
    ]
    first = {WEIGHTS: 0, CONFIG: 1}
    return sorted(files, key=lambda path: (first.get(path.name, 2), path.name))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()
