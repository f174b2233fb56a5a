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
TRIES = 5
# The checkpoints of a LoRA run are small beside the model (training-stack.md section 7).
DISK_FACTOR = 1.1
Answer = TypeVar("Answer")


def main() -> int:
    job = json.loads((FOLDER / "job.json").read_text(encoding="utf-8"))
    return run_and_classify(lambda: fetch(job), job=job)


def fetch(job: Mapping[str, Any]) -> int:
    from huggingface_hub import HfApi, snapshot_download

    name, revision = job["base_model"]["id"], job["base_model"].get("revision")
    pause = float((job.get("limits") or {}).get("retry_seconds", 5.0))

    def look() -> Any:
        return HfApi().model_info(name, revision=revision, files_metadata=True)

    found = patiently(look, job=job, pause_seconds=pause)
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
        return str(snapshot_download(name, revision=found.sha, allow_patterns=wanted))

    path = patiently(download, job=job, pause_seconds=pause)
    tell("model", path=path, revision=found.sha)
    return 0


def patiently(
    call: Callable[[], Answer], *, job: Mapping[str, Any], pause_seconds: float
) -> Answer:
    """Return what the call returns; 429, 5xx and network faults are worth five tries."""
    for attempt in range(1, TRIES + 1):
        try:
            return call()
        except (OSError, RuntimeError) as error:
            problem = _verdict(error, job=job)
            if problem.code != "E_HF_UNREACHABLE" or attempt == TRIES:
                raise problem from error
            say("warning", f"Try {attempt} of {TRIES}: {problem.message[:300]}")
            time.sleep(pause_seconds * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _verdict(error: Exception, *, job: Mapping[str, Any]) -> RunFailedError:
    """Return what the Hub's refusal means. Its errors are OSErrors with the answer attached."""
    from huggingface_hub import constants
    from huggingface_hub.errors import RevisionNotFoundError

    status = _status(error)
    name = job["base_model"]["id"]
    if isinstance(error, RevisionNotFoundError):
        return failure("E_CONFIG", job=job, detail=f"{name} has no such revision.")
    if status in (401, 403, 404):
        where = f"{constants.ENDPOINT}/{name}"
        return failure(
            "E_HF_ACCESS", job=job, detail=f"{where} answered {status}: not there, or not for us."
        )
    if isinstance(error, OSError) and error.errno == 28:
        return failure("E_DISK", job=job, detail="")
    detail = f"{type(error).__name__}: {error}"[:500]
    return failure("E_HF_UNREACHABLE", job=job, detail=detail)


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
