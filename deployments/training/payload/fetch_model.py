"""Bring a base model of the Hub to this machine's disk, at one commit (F38).

Started by the agent with the trainer's Python. Only weights as safetensors and text files are
fetched: no pickles, and no code of the model's (``trust_remote_code`` stays off).
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Callable, Mapping, TypeVar

from agent_failures import RunFailedError, failure
from payload_events import run_and_classify, say, tell

FOLDER = Path(__file__).resolve().parent
SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")
# What the control plane brought for models that ask who downloads them; gone once they are here.
HUB_TOKEN = "hub_token"  # noqa: S105 (the name of a file)
TRIES = 5
# The checkpoints of a LoRA run are small beside the model (training-stack.md section 7).
DISK_FACTOR = 1.1
Answer = TypeVar("Answer")


def main() -> int:
    job = json.loads((FOLDER / "job.json").read_text(encoding="utf-8"))
    try:
        return run_and_classify(lambda: fetch(job, token=hub_token()), job=job)
    finally:
        (FOLDER / HUB_TOKEN).unlink(missing_ok=True)


def hub_token() -> str | None:
    """Return the token that was brought, None for the one this environment may have."""
    try:
        return (FOLDER / HUB_TOKEN).read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def fetch(job: Mapping[str, Any], *, token: str | None) -> int:
    from huggingface_hub import HfApi, snapshot_download

    name, revision = job["base_model"]["id"], job["base_model"].get("revision")
    pause = float((job.get("limits") or {}).get("retry_seconds", 5.0))

    def look() -> Any:
        return HfApi(token=token).model_info(name, revision=revision, files_metadata=True)

    found = patiently(look, job=job, pause_seconds=pause, has_token=token is not None)
    files = [file for file in found.siblings or [] if file.rfilename.endswith(SUFFIXES)]
    if not any(file.rfilename.endswith(".safetensors") for file in files):
        raise failure("E_CONFIG", job=job, detail=f"{name} has no weights as safetensors.")
    size = sum(file.size or 0 for file in files)
    free = shutil.disk_usage(FOLDER).free
    if free < size * DISK_FACTOR:
        figures = f"{name} takes {size / 1024**3:.1f} GiB; {free / 1024**3:.1f} GiB are free."
        raise failure("E_DISK", job=job, detail=figures)
    say("info", f"Fetching {name} at {found.sha}: {len(files)} files, {size / 1024**3:.2f} GiB.")

    def download() -> str:
        wanted = [file.rfilename for file in files]
        return str(snapshot_download(name, revision=found.sha, allow_patterns=wanted, token=token))

    path = patiently(download, job=job, pause_seconds=pause, has_token=token is not None)
    tell("model", path=path, revision=found.sha)
    return 0


def patiently(
    call: Callable[[], Answer], *, job: Mapping[str, Any], pause_seconds: float, has_token: bool
) -> Answer:
    """Return what the call returns; 429, 5xx and network faults are worth five tries."""
    for attempt in range(1, TRIES + 1):
        try:
            return call()
        except (OSError, RuntimeError) as error:
            problem = _verdict(error, job=job, has_token=has_token)
            if problem.code != "E_HF_UNREACHABLE" or attempt == TRIES:
                raise problem from error
            say("warning", f"Try {attempt} of {TRIES}: {problem.message[:300]}")
            time.sleep(pause_seconds * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _verdict(error: Exception, *, job: Mapping[str, Any], has_token: bool) -> RunFailedError:
    """Return what the Hub's refusal means. Its errors are OSErrors with the answer attached."""
    from huggingface_hub import constants
    from huggingface_hub.errors import RevisionNotFoundError

    status = _status(error)
    name = job["base_model"]["id"]
    if isinstance(error, RevisionNotFoundError):
        return failure("E_CONFIG", job=job, detail=f"{name} has no such revision.")
    if status in (401, 403, 404):
        where = f"{constants.ENDPOINT}/{name}"
        return _refused(f"{where} answered {status}: not there, or not for us.", has_token)
    if isinstance(error, OSError) and error.errno == 28:
        return failure("E_DISK", job=job, detail="")
    detail = f"{type(error).__name__}: {error}"[:500]
    return failure("E_HF_UNREACHABLE", job=job, detail=detail)


def _refused(what: str, has_token: bool) -> RunFailedError:
    if has_token:
        remedy = (
            "Check the name. If the model asks for consent, accept its terms on its page, with the "
            "account whose token is in the vault; then start the run again."
        )
    else:
        remedy = (
            "Check the name. If the model asks for consent, accept its terms on its page and put a "
            "token of that account into the vault; then start the run again."
        )
    return RunFailedError("E_HF_ACCESS", f"The Hub refused the base model. {what}", remedy=remedy)


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error, which may be wrapped in others."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return int(response.status_code)
        error = error.__cause__
    return None


if __name__ == "__main__":
    sys.exit(main())
