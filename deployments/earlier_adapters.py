"""Adapters that are home, to start a new run from: which one, whether it fits, and the run's copy.

A run keeps a copy of its own: the run it came from may lose its checkpoints to newer ones.
"""

import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from core.errors import ConflictError, InvalidInputError
from core.files import sha256_of
from deployments.models import Artifact, Checkpoint, TrainingJob

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
FILES = (WEIGHTS, CONFIG)
KIND = "adapter"
# Weights of other shapes cannot be loaded; another scale would change what they mean.
MUST_FIT = ("lora_r", "lora_alpha", "target_modules")


@dataclass(frozen=True)
class Adapter:
    """An adapter at home: its archive, and name, size and sha256 of the files inside."""

    id: str
    name: str
    archive: Path
    files: tuple[Mapping[str, Any], ...]
    model_name: str
    recipe: Mapping[str, Any]


def of_artifact(artifact: Artifact) -> Adapter:
    """Return the adapter that a run has brought home at its end."""
    return _adapter(artifact.pk, artifact.job, artifact.path, artifact.files, artifact.job.name)


def of_checkpoint(checkpoint: Checkpoint) -> Adapter:
    """Return the adapter of a checkpoint that is home."""
    job = checkpoint.job
    name = f"{job.name} at step {checkpoint.step}"
    return _adapter(checkpoint.pk, job, checkpoint.home_path, checkpoint.files, name)


def _adapter(pk: UUID, job: TrainingJob, path: str, files: list[Any], name: str) -> Adapter:
    data_dir: Path = settings.SLIPWAY_DATA_DIR
    return Adapter(str(pk), name, data_dir / path, tuple(files), job.model_name, job.config)


def check_fits(adapter: Adapter, *, model_name: str, recipe: Mapping[str, Any]) -> None:
    """Raise InvalidInputError, naming it, for what the adapter's run had otherwise."""
    before, after = adapter.recipe["hyperparameters"], recipe["hyperparameters"]
    pairs = {"base_model": (adapter.model_name, model_name)}
    pairs |= {f"hyperparameters.{name}": (before[name], after[name]) for name in MUST_FIT}
    for param, (was, wanted) in pairs.items():
        if was == wanted:
            continue
        name = param.rpartition(".")[2]
        raise InvalidInputError(
            f"The adapter of {adapter.name} was trained with {name} {was!r}, not {wanted!r}.",
            remedy=f"Set {name} to {was!r}, or train without an earlier adapter.",
            param=param,
        )


def keep(adapter: Adapter, job_id: UUID) -> dict[str, object]:
    """Copy its weights and settings for a job; return what the job's recipe says of them.

    Raises: ConflictError (E_CHECKPOINT) when the archive is not what was recorded.
    """
    folder = folder_of(job_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    listed = {str(file["name"]).rpartition("/")[2]: file for file in adapter.files}
    if not _is_copied(adapter.archive, listed, folder=folder):
        forget(job_id)
        raise ConflictError(
            f"The adapter of {adapter.name} is not whole at home any more. Nothing was started.",
            remedy="Put the data folder back from a backup, or start without an earlier adapter.",
            code="E_CHECKPOINT",
        )
    files = [
        {"name": name, "size": listed[name]["size"], "sha256": listed[name]["sha256"]}
        for name in FILES
    ]
    return {"from": adapter.id, "name": adapter.name, "kept_for": str(job_id), "files": files}


def _is_copied(archive: Path, listed: Mapping[str, Mapping[str, Any]], *, folder: Path) -> bool:
    try:
        with tarfile.open(archive) as packed:
            for name in FILES:
                content = packed.extractfile(str(listed[name]["name"]))
                # A file by its name in our own archive; anything else has no content.
                if content is not None:
                    with content, (folder / name).open("wb") as target:
                        shutil.copyfileobj(content, target)
        return all(sha256_of(folder / name) == listed[name]["sha256"] for name in FILES)
    except (OSError, KeyError, tarfile.TarError):
        return False


def files_of(recipe: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return the path and sha256 of each file of the adapter that a recipe starts from."""
    kept = recipe.get("adapter")
    if not kept:
        return []
    folder = folder_of(kept["kept_for"])
    return [(folder / file["name"], file["sha256"]) for file in kept["files"]]


def is_whole(recipe: Mapping[str, Any]) -> bool:
    """Whether the adapter that a recipe starts from is at home as it was kept, or there is none."""
    try:
        return all(sha256_of(path) == digest for path, digest in files_of(recipe))
    except OSError:
        return False


def forget(job_id: UUID | None) -> None:
    """Remove the copy of a job that came to nothing."""
    if job_id is not None and not TrainingJob.objects.filter(pk=job_id).exists():
        shutil.rmtree(folder_of(job_id), ignore_errors=True)


def folder_of(job_id: UUID | str) -> Path:
    """Return where the adapter is kept that a job starts from."""
    data_dir: Path = settings.SLIPWAY_DATA_DIR
    return data_dir / "start_adapters" / str(job_id)
