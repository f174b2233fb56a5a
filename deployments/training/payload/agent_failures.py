"""What can go wrong in a run: stable codes, the words for each, and what an error's text means.

Standard library only; used by the agent and by what it starts.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any, Mapping

# How train.py says by its exit status what happened; 1 is Python's own for an unexpected error.
STOPPED = 10
EXIT_CODES = {
    "E_TRAINING": 1,
    "E_CONFIG": 20,
    "E_DATA": 21,
    "E_OOM": 22,
    "E_NAN": 23,
    "E_CUDA": 24,
    "E_DISK": 25,
    "E_HF_ACCESS": 26,
    "E_HF_UNREACHABLE": 27,
    "E_HOST_OOM": 28,
    "E_CUDA_KERNEL": 29,
    "E_NCCL": 30,
}
# F46: what another machine may well not show again.
RETRYABLE = frozenset({"E_CUDA", "E_NCCL", "E_XID", "E_HF_UNREACHABLE"})
CODE_OF_STATUS = {status: code for code, status in EXIT_CODES.items()}
# The first that matches decides: the narrower ones stand before those they are part of.
_SIGNS = (
    (
        "E_OOM",
        r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|CUDA error: out of memory"
        r"|cudaErrorMemoryAllocation",
    ),
    (
        "E_HOST_OOM",
        r"DefaultCPUAllocator|\bMemoryError\b|Cannot allocate memory"
        r"|DataLoader worker .* killed by signal: Killed",
    ),
    ("E_DISK", r"No space left on device|Disk quota exceeded|errno 28\b"),
    # A wrong label, token id or address, or a build that does not know the card: the same on
    # every machine of this kind.
    (
        "E_CUDA_KERNEL",
        r"device-side assert|illegal memory access|misaligned address|invalid device function"
        r"|no kernel image is available|invalid configuration argument",
    ),
    (
        "E_NCCL",
        r"NCCL (?:error|WARN)|nccl(?:System|Internal|Remote|UnhandledCuda)Error|DistBackendError"
        r"|Watchdog caught collective operation timeout|gloo/transport",
    ),
    (
        "E_CUDA",
        r"CUDA error|CUDA driver|CUDA unknown error|CUBLAS_|CUDNN_|cudaError"
        r"|error from cuda|No CUDA GPUs|no CUDA-capable device|GPU is lost",
    ),
    ("E_HF_ACCESS", r"GatedRepo|Cannot access gated repo|40[13] Client Error"),
    (
        "E_HF_UNREACHABLE",
        r"LocalEntryNotFoundError|We couldn't connect to|429 Client Error|50[234] Server Error",
    ),
)
_COMPILED = tuple((code, re.compile(sign, re.IGNORECASE)) for code, sign in _SIGNS)


class RunFailedError(Exception):
    """The run cannot go on; in the words the user will read."""

    def __init__(
        self, code: str, message: str, *, remedy: str = "", retryable: bool | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.retryable = code in RETRYABLE if retryable is None else retryable

    def as_event(self) -> dict[str, Any]:
        """Return the fields of the run log's error event."""
        return {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "retryable": self.retryable,
        }


def code_of_text(text: str) -> str:
    """Return the code that an error's text speaks of; E_TRAINING when it says nothing we know."""
    for code, sign in _COMPILED:
        if sign.search(text):
            return code
    return "E_TRAINING"


def failure(code: str, *, job: Mapping[str, Any], detail: str) -> RunFailedError:
    """Return the failure of this code for this job, in words with the job's own numbers."""
    message, remedy = _WORDS.get(code, _WORDS["E_TRAINING"])
    numbers = _numbers(job)
    told = f"{message.format(**numbers)} {detail}".strip()
    return RunFailedError(code, told, remedy=remedy.format(**numbers))


_TWICE = "Start the run again; choose another region or GPU type if it happens twice."
_WORDS = {
    "E_CONFIG": ("The training settings cannot be used.", "Correct the setting and start again."),
    "E_DATA": ("The training data cannot be used.", "Correct the data set and start again."),
    "E_OOM": (
        "The GPU ran out of memory with batches of {batch} {rows} of up to {length} tokens.",
        "{smaller_batch}max_length from {length} to {half_length}{checkpointing}{four_bit}, or "
        "choose a GPU with more memory.",
    ),
    "E_HOST_OOM": (
        "The machine ran out of memory (RAM, not the GPU's).",
        "Choose a machine with more memory, or a smaller base model or data set.",
    ),
    "E_NAN": (
        "The loss is no longer a finite number.",
        "Lower learning_rate from {rate:g} to {lower_rate:g} and raise warmup_ratio; look at the "
        "last rows trained on if it happens again.",
    ),
    "E_STALLED": (
        "Training stood still.",
        "Read the end of the log: it shows where the program was. Start the run again; if it "
        "happens at the same step, look at the rows it trains on there.",
    ),
    "E_CUDA": ("The GPU or its driver failed.", _TWICE),
    "E_CUDA_KERNEL": (
        "A calculation on the GPU was not valid.",
        "Look at the rows trained on last and at token ids beyond the vocabulary; choose another "
        "GPU type if the card is very new or very old.",
    ),
    "E_NCCL": (
        "The GPUs lost contact with each other.",
        f"{_TWICE} A machine with one GPU has nobody to lose.",
    ),
    "E_XID": ("The GPU reported a fault of its own.", _TWICE),
    "E_CRASH": (
        "The training program crashed below Python.",
        "Read the end of the log: it shows where. Start the run again, on another GPU type if it "
        "happens twice.",
    ),
    "E_KILLED": (
        "The training process was killed.",
        "Start the run again; choose a machine with more memory if it happens twice.",
    ),
    "E_DISK": (
        "The machine's disk is full.",
        "Choose a machine with a larger disk, or a smaller base model.",
    ),
    "E_HF_ACCESS": (
        "The Hub refused the base model.",
        "Choose a model that needs no consent, or correct its name.",
    ),
    "E_HF_UNREACHABLE": ("The Hub could not be reached.", "Start the run again later."),
    "E_TRAINING": (
        "Training ended with an error.",
        "Read the end of the run's log for the reason.",
    ),
}


def _numbers(job: Mapping[str, Any]) -> dict[str, Any]:
    recipe = job.get("recipe")
    found = recipe.get("hyperparameters") if isinstance(recipe, dict) else None
    given: Mapping[str, Any] = found if isinstance(found, dict) else {}
    batch = _number(given.get("per_device_train_batch_size"), 4)
    accumulation = _number(given.get("gradient_accumulation_steps"), 4)
    length = _number(given.get("max_length"), 1024)
    rate = _number(given.get("learning_rate"), 2e-4)
    method = recipe.get("method") if isinstance(recipe, dict) else None
    return {
        "batch": batch,
        "rows": "pairs" if method in ("dpo", "orpo") else "rows",
        "smaller_batch": _smaller_batch(batch, accumulation=accumulation),
        "length": length,
        "half_length": max(16, length // 2),
        "checkpointing": ""
        if given.get("gradient_checkpointing", True)
        else ", turn gradient_checkpointing on",
        "four_bit": "" if given.get("load_in_4bit", True) else ", turn load_in_4bit on",
        "rate": rate,
        "lower_rate": rate / 10,
    }


def _smaller_batch(batch: int, *, accumulation: int) -> str:
    """Say how to halve a batch without changing the result; nothing where it has one row."""
    if batch < 2:
        return "Lower "
    return (
        f"Lower per_device_train_batch_size from {batch} to {batch // 2} and raise "
        f"gradient_accumulation_steps from {accumulation} to {2 * accumulation} (the same "
        "result), lower "
    )


def _number(value: Any, default: Any) -> Any:
    fine = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if fine else default


def as_failure(problem: BaseException) -> RunFailedError:
    """Return any fault as the failure a user reads; its traceback goes to the agent's own log."""
    if isinstance(problem, RunFailedError):
        return problem
    traceback.print_exception(type(problem), problem, problem.__traceback__)
    last = traceback.extract_tb(problem.__traceback__)[-1:]
    where = f" at {Path(last[0].filename).name}:{last[0].lineno}" if last else ""
    full = isinstance(problem, OSError) and problem.errno == 28
    return RunFailedError(
        "E_DISK" if full else "E_AGENT",
        f"The agent on the machine failed: {type(problem).__name__}: {problem}{where}",
        remedy="Choose a machine with a larger disk." if full else "Start the run again.",
        retryable=not full,
    )
