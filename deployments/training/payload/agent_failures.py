"""What can go wrong in a run: stable codes, words with numbers, and how an exit is classified.

Standard library only; used by the agent and by what it starts.
"""

from __future__ import annotations

import re
import signal
import traceback
from pathlib import Path
from typing import Any, Mapping, Sequence

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
}
# F46: what another machine may well not show again.
RETRYABLE = frozenset({"E_CUDA", "E_HF_UNREACHABLE"})
_CODES = {status: code for code, status in EXIT_CODES.items()}
_TAIL_LINES = 8
# The first that matches decides. A device-side assert is a wrong label or token id, so it would
# fail on every machine.
_SIGNS = (
    ("E_OOM", re.compile(r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED")),
    ("E_DISK", re.compile(r"No space left on device|Disk quota exceeded|errno 28\b", re.I)),
    ("E_TRAINING", re.compile(r"device-side assert")),
    (
        "E_CUDA",
        re.compile(r"CUDA error|CUDA driver|CUBLAS_|CUDNN_|cudaError|NCCL (?:error|WARN)|Xid"),
    ),
    ("E_HF_ACCESS", re.compile(r"GatedRepo|Cannot access gated repo|40[13] Client Error")),
)


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
    for code, sign in _SIGNS:
        if sign.search(text):
            return code
    return "E_TRAINING"


def explain_exit(
    status: int, *, tail: Sequence[str], job: Mapping[str, Any], machine: Mapping[str, Any]
) -> RunFailedError:
    """Return what an exit status of train.py means when it left no word of its own (F45, F46).

    ``tail`` are its last lines, ``machine`` the newest figures of the heartbeat.
    """
    text = "\n".join(tail)
    if status == -signal.SIGKILL:
        return _killed(machine)
    if status < 0:
        return _crashed(-status, tail=tail)
    code = _CODES.get(status, "E_TRAINING")
    return failure(
        code if code != "E_TRAINING" else code_of_text(text), job=job, detail=_last(tail)
    )


def failure(code: str, *, job: Mapping[str, Any], detail: str) -> RunFailedError:
    """Return the failure of this code for this job, its remedy with the job's own numbers."""
    message, remedy = _WORDS.get(code, _WORDS["E_TRAINING"])
    message = f"{message} {detail}".strip()
    return RunFailedError(code, message, remedy=remedy.format(**_numbers(job)))


_WORDS = {
    "E_CONFIG": ("The training settings cannot be used.", "Correct the setting and start again."),
    "E_DATA": ("The training data cannot be used.", "Correct the data set and start again."),
    "E_OOM": (
        "The GPU ran out of memory.",
        "Lower per_device_train_batch_size from {batch} to {half_batch} and raise "
        "gradient_accumulation_steps from {accumulation} to {double_accumulation} (the same "
        "result), lower max_length from {length} to {half_length}{checkpointing}, or choose a GPU "
        "with more memory.",
    ),
    "E_NAN": (
        "The loss is no longer a finite number.",
        "Lower learning_rate from {rate:g} to {lower_rate:g} and raise warmup_ratio; look at the "
        "last rows trained on if it happens again.",
    ),
    "E_CUDA": (
        "The GPU or its driver failed.",
        "Start the run again; choose another region or GPU type if it happens twice.",
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
    return {
        "batch": batch,
        "half_batch": max(1, batch // 2),
        "accumulation": accumulation,
        "double_accumulation": accumulation * 2,
        "length": length,
        "half_length": max(16, length // 2),
        "checkpointing": ""
        if given.get("gradient_checkpointing", True)
        else ", turn gradient_checkpointing on",
        "rate": rate,
        "lower_rate": rate / 10,
    }


def _number(value: Any, default: Any) -> Any:
    fine = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if fine else default


def _killed(machine: Mapping[str, Any]) -> RunFailedError:
    total, used = machine.get("memory_total_bytes"), machine.get("memory_used_bytes")
    figures = ""
    if isinstance(total, int) and isinstance(used, int):
        figures = f" Last seen: {used / 1024**3:.1f} of {total / 1024**3:.1f} GiB of memory used."
    return RunFailedError(
        "E_KILLED",
        "The training process was killed from outside, most likely because the machine ran out of "
        f"memory (RAM).{figures}",
        remedy="Choose a machine with more memory, or a smaller base model or data set.",
    )


def _crashed(number: int, *, tail: Sequence[str]) -> RunFailedError:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE):
        return RunFailedError(
            "E_CUDA",
            f"The training process crashed ({name}), as it does when GPU or driver fail. "
            + _last(tail),
            remedy=_WORDS["E_CUDA"][1],
        )
    return RunFailedError(
        "E_TRAINING",
        f"The training process was ended by {name}, not by us. {_last(tail)}",
        remedy=_WORDS["E_TRAINING"][1],
    )


def _last(tail: Sequence[str]) -> str:
    lines = [line for line in tail if line.strip()][-_TAIL_LINES:]
    return "It said last: " + " | ".join(lines)[-1500:] if lines else ""


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
