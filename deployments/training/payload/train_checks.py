"""What train.py checks before it imports anything heavy: the job, the rows, the counts.

Standard library only. The control plane has checked all this; here it is checked again, because
what reaches a GPU at two dollars an hour should fail in the first second.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any, Mapping

from agent_failures import RunFailedError, failure

EVALUATIONS = 10
# A run log of a million lines helps nobody; neither does a chart of a million points.
MAX_LOGGED_STEPS = 20_000
ROLES = frozenset({"system", "user", "assistant", "tool", "developer"})
_WHOLE = (
    "lora_r",
    "lora_alpha",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
    "logging_steps",
)
_NUMBERS = ("lora_dropout", "learning_rate", "warmup_ratio", "weight_decay", "num_train_epochs")
_OTHERS = (
    "target_modules",
    "lr_scheduler_type",
    "max_steps",
    "assistant_only_loss",
    "gradient_checkpointing",
    "seed",
    "save_steps",
)
Row = dict[str, Any]


def hyperparameters(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a LoRA run; raises RunFailedError (E_CONFIG) naming what is wrong."""
    recipe = job["recipe"]
    if recipe.get("method") != "sft":
        raise _bad_setting(f"The method {recipe.get('method')!r} is not known here.")
    given: dict[str, Any] = recipe["hyperparameters"]
    for name in (*_WHOLE, *_NUMBERS, *_OTHERS):
        if name not in given:
            raise _bad_setting(f"{name} is missing.")
    for name in _WHOLE:
        if not _is_whole(given[name], low=1):
            raise _bad_setting(f"{name} is {given[name]!r}, not a whole number from 1.")
    for name in _NUMBERS:
        if not _is_number(given[name]):
            raise _bad_setting(f"{name} is {given[name]!r}, not a number from 0.")
    for name in ("max_steps", "save_steps"):
        if given[name] is not None and not _is_whole(given[name], low=1):
            raise _bad_setting(f"{name} is {given[name]!r}, not a whole number from 1 or null.")
    return given


def _bad_setting(what: str) -> RunFailedError:
    return failure("E_CONFIG", job={}, detail=what)


def _is_whole(value: Any, *, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _is_number(value: Any) -> bool:
    fine = isinstance(value, (int, float)) and not isinstance(value, bool)
    return fine and math.isfinite(value) and value >= 0


def read_rows(path: Path, *, form: str) -> list[Row]:
    """Return the normalised rows; raises RunFailedError (E_DATA) naming the line."""
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
            except ValueError:
                raise _bad_row(number, "it is not JSON") from None
            problem = _problem(row, form=form)
            if problem:
                raise _bad_row(number, problem)
            keys = ("messages",) if form == "chat" else ("prompt", "completion")
            rows.append({key: row[key] for key in keys})
    if not rows:
        raise failure("E_DATA", job={}, detail="It has no rows.")
    return rows


def _bad_row(number: int, problem: str) -> RunFailedError:
    return failure("E_DATA", job={}, detail=f"Line {number}: {problem}.")


def _problem(row: Any, *, form: str) -> str:
    if not isinstance(row, dict):
        return "it is not an object"
    if form != "chat":
        texts = (row.get("prompt"), row.get("completion"))
        fine = all(isinstance(text, str) for text in texts) and bool(row["completion"])
        return "" if fine else "prompt and completion must be texts, the completion not empty"
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages is missing or empty"
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            return "a message has no text as its content"
        if message.get("role") not in ROLES:
            return f"the role {message.get('role')!r} is not known"
    if not any(message["role"] == "assistant" for message in messages):
        return "no message is the assistant's, so there is nothing to learn"
    return ""


def split_rows(rows: list[Row], *, share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Return rows to train on and rows to evaluate with: the same ones for the same seed.

    A share above 0 holds back at least one row, but never the last one.
    """
    count = min(max(1, round(len(rows) * share)), len(rows) - 1) if share > 0 else 0
    # Not for secrets: what is wanted is the same split each time.
    held_back = set(random.Random(seed).sample(range(len(rows)), count))  # noqa: S311
    train = [row for number, row in enumerate(rows) if number not in held_back]
    return train, [rows[number] for number in sorted(held_back)]


def total_steps(rows: int, settings: Mapping[str, Any]) -> int:
    """Return how many optimizer steps the run will take, as Trainer counts them."""
    if settings["max_steps"] is not None:
        return int(settings["max_steps"])
    batches = math.ceil(rows / settings["per_device_train_batch_size"])
    per_epoch = math.ceil(batches / settings["gradient_accumulation_steps"])
    steps = math.ceil(settings["num_train_epochs"] * per_epoch)
    return max(1, int(steps))


def steps_between_evaluations(total: int, *, asked: int | None) -> int:
    """Return what was asked for, else what makes about ten evaluations."""
    return asked or max(1, round(total / EVALUATIONS))


def steps_between_logs(total: int, *, asked: int) -> int:
    """Return what was asked for, or more where that would log too many steps (F41)."""
    return max(asked, math.ceil(total / MAX_LOGGED_STEPS))
