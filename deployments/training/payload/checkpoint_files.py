"""Checkpoints on the machine: whole under their name or not there at all, the newest kept (F51).

Trainer writes into ``output/unfinished``; what it has written is listed with sha256, flushed and
only then given its name below ``output``. Standard library only.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Collection, List, Mapping

import adapter_files

UNFINISHED = "unfinished"
MANIFEST = "manifest.json"
# Pickles of torch among them: carried as bytes, and read by Trainer with weights_only alone
# (transformers 5.23, Trainer._load_optimizer_and_scheduler and _load_rng_state).
SUFFIXES = adapter_files.SAFE_SUFFIXES | {".pt", ".pth"}


def finish(part: Path, output: Path) -> List[Mapping[str, Any]]:
    """Make what Trainer wrote a checkpoint of this output; return its files, weights first.

    Names are relative to ``output``; the manifest, which lists the others, is the last.
    """
    files = adapter_files.listed(part, below=part.parent, suffixes=SUFFIXES)
    adapter_files.write_manifest(part / MANIFEST, files)
    manifest = adapter_files.described(part / MANIFEST, below=part.parent)
    adapter_files.put_in_place(part, output / part.name)
    return [*files, manifest]


def is_whole(folder: Path) -> bool:
    """Whether every file that the manifest lists is there with its size and sha256."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return all(
            adapter_files.described(folder / Path(file["name"]).name, below=folder.parent) == file
            for file in manifest["files"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def prune(output: Path, *, newest: int, held: Collection[str]) -> None:
    """Remove all but the ``newest`` checkpoints, and those whose names are ``held``."""
    kept = {folder.name for folder in adapter_files.checkpoints(output)[:newest]}
    for folder in output.glob("checkpoint-*"):
        if folder.name not in kept and folder.name not in held:
            shutil.rmtree(folder, ignore_errors=True)
