"""What a base model's name means: a Hub id, or ``local:<folder>`` below LOCAL_MODELS_DIR (T22)."""

import os
import re
from pathlib import Path

from django.conf import settings

from core.errors import InvalidInputError

LOCAL = "local:"
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
REVISION = re.compile(r"[0-9a-f]{40}")
SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")


def local_folder(name: str) -> Path | None:
    """Return the folder of a local model, None for a Hub id; raises InvalidInputError."""
    if not name.startswith(LOCAL):
        return None
    folder_name = name.removeprefix(LOCAL)
    folder: Path = settings.LOCAL_MODELS_DIR / folder_name
    if not FOLDER_NAME.fullmatch(folder_name) or not (folder / "config.json").is_file():
        raise InvalidInputError(
            f"There is no local model named {folder_name}.",
            remedy="Put its folder below LOCAL_MODELS_DIR, or name a model of the Hub.",
            param="base_model",
        )
    return folder


def cached_folder(hub_id: str) -> Path | None:
    """Return where this host keeps a model of the Hub, None where it has never been fetched.

    ``huggingface_hub`` lays it out: models--owner--name/refs/main names the snapshot.
    """
    if not HUB_ID.fullmatch(hub_id):
        return None
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    kept = home / "hub" / f"models--{hub_id.replace('/', '--')}"
    try:
        revision = (kept / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return None
    return kept / "snapshots" / revision if REVISION.fullmatch(revision) else None


def local_names() -> list[str]:
    """Return the base models below LOCAL_MODELS_DIR by the names that recipes have for them."""
    folder: Path = settings.LOCAL_MODELS_DIR
    if not folder.is_dir():
        return []
    return [
        f"{LOCAL}{path.name}"
        for path in sorted(folder.iterdir())
        if FOLDER_NAME.fullmatch(path.name) and (path / "config.json").is_file()
    ]


def check_name(name: str) -> None:
    """Raise InvalidInputError unless the name is a local folder or looks like a Hub id."""
    if local_folder(name) is None and not HUB_ID.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is not a model id.",
            remedy="Use owner/name as on the Hub, or local:<folder>.",
            param="base_model",
        )


def files(folder: Path) -> list[Path]:
    """Return the files of a local model that go to the machine: weights and text, no pickles."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in SUFFIXES)


def for_job(name: str, *, revision: object) -> dict[str, object]:
    """Return the base model as job.json names it."""
    kind = "local" if name.startswith(LOCAL) else "hub"
    return {"kind": kind, "id": name, "revision": revision}
