"""What train.py checks before it imports anything heavy: the job, the rows, the counts.

Standard library only. The control plane has checked all this; here it is checked again, because
what reaches a GPU at two dollars an hour should fail in the first second.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any, List, Mapping, Sequence, Tuple

from agent_failures import RunFailedError, failure
from payload_events import say

EVALUATIONS = 10
# A run log of a million lines helps nobody; neither does a chart of a million points.
MAX_LOGGED_STEPS = 20_000
ROLES = frozenset({"system", "user", "assistant", "tool", "developer"})
METHODS = ("sft", "dpo", "orpo")
# Format of the data: what a row of it holds.
KEYS = {
    "chat": ("messages",),
    "prompt_completion": ("prompt", "completion"),
    "text": ("text",),
    "preference": ("prompt", "chosen", "rejected"),
}
# What a recipe frozen by an earlier version does not name.
ADDED = {
    "load_in_4bit": False,
    "packing": False,
    "completion_only_loss": True,
    "save_total_limit": 2,
    "load_best_model_at_end": False,
    "early_stopping_patience": None,
    "early_stopping_threshold": 0.0,
}
_WHOLE = (
    "lora_r",
    "lora_alpha",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
    "logging_steps",
    "save_total_limit",
)
_NUMBERS = (
    "lora_dropout",
    "learning_rate",
    "warmup_ratio",
    "weight_decay",
    "num_train_epochs",
    "early_stopping_threshold",
)
_WHOLE_OR_NONE = ("max_steps", "save_steps", "early_stopping_patience")
_FLAGS = ("gradient_checkpointing", "load_in_4bit", "load_best_model_at_end")
_OTHERS = ("target_modules", "lr_scheduler_type", "seed")
_SFT_FLAGS = ("assistant_only_loss", "completion_only_loss", "packing")
Row = dict[str, Any]


def hyperparameters(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a LoRA run; raises RunFailedError (E_CONFIG) naming what is wrong."""
    recipe = job["recipe"]
    method, form = recipe.get("method"), job["dataset"]["format"]
    if method not in METHODS:
        raise _bad_setting(f"The method {method!r} is not known here.")
    if (form == "preference") != (method != "sft"):
        raise _bad_setting(f"The method {method} cannot be trained on data of the form {form}.")
    flags = (*_FLAGS, *_SFT_FLAGS) if method == "sft" else _FLAGS
    numbers = _NUMBERS if method == "sft" else (*_NUMBERS, "beta")
    given: dict[str, Any] = {**ADDED, **recipe["hyperparameters"]}
    for name in (*_WHOLE, *numbers, *_WHOLE_OR_NONE, *flags, *_OTHERS):
        if name not in given:
            raise _bad_setting(f"{name} is missing.")
    for names, fits, allowed in (
        (_WHOLE, _is_whole, "a whole number from 1"),
        (numbers, _is_number, "a number from 0"),
        (_WHOLE_OR_NONE, _is_whole_or_none, "a whole number from 1 or null"),
        (flags, _is_flag, "true or false"),
    ):
        for name in names:
            if not fits(given[name]):
                raise _bad_setting(f"{name} is {given[name]!r}, not {allowed}.")
    if method != "sft" and given["packing"]:
        raise _bad_setting(f"packing is not possible with the method {method}.")
    return given


def _bad_setting(what: str) -> RunFailedError:
    return failure("E_CONFIG", job={}, detail=what)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_whole_or_none(value: Any) -> bool:
    return value is None or _is_whole(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    fine = isinstance(value, (int, float)) and not isinstance(value, bool)
    return fine and math.isfinite(value) and value >= 0


def read_rows(path: Path, *, form: str) -> list[Row]:
    """Return the normalised rows; raises RunFailedError (E_DATA) naming the line."""
    if form not in KEYS:
        raise failure("E_DATA", job={}, detail=f"The form {form!r} is not known here.")
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
            rows.append({key: row[key] for key in KEYS[form]})
    if not rows:
        raise failure("E_DATA", job={}, detail="It has no rows.")
    return rows


def _bad_row(number: int, problem: str) -> RunFailedError:
    return failure("E_DATA", job={}, detail=f"Line {number}: {problem}.")


def _problem(row: Any, *, form: str) -> str:
    if not isinstance(row, dict):
        return "it is not an object"
    return _PROBLEMS[form](row)


def _problem_of_chat(row: Row) -> str:
    problem = _problem_of_messages(row.get("messages"), name="messages")
    if not problem and not any(message["role"] == "assistant" for message in row["messages"]):
        return "no message is the assistant's, so there is nothing to learn"
    return problem


def _problem_of_completion(row: Row) -> str:
    texts = (row.get("prompt"), row.get("completion"))
    fine = all(isinstance(text, str) for text in texts) and bool(row["completion"])
    return "" if fine else "prompt and completion must be texts, the completion not empty"


def _problem_of_text(row: Row) -> str:
    fine = isinstance(row.get("text"), str) and bool(row["text"])
    return "" if fine else "text must be a text that is not empty"


def _problem_of_pair(row: Row) -> str:
    parts: List[Any] = [row.get(name) for name in KEYS["preference"]]
    if all(isinstance(part, str) for part in parts):
        return "" if parts[1] and parts[2] else "chosen and rejected must not be empty"
    if not all(isinstance(part, list) for part in parts):
        return "prompt, chosen and rejected must be all texts or all messages"
    for name in KEYS["preference"]:
        problem = _problem_of_messages(row[name], name=name)
        if problem:
            return problem
    if any(answer[-1]["role"] != "assistant" for answer in parts[1:]):
        return "chosen and rejected must end with what the assistant says"
    return ""


_PROBLEMS = {
    "chat": _problem_of_chat,
    "prompt_completion": _problem_of_completion,
    "text": _problem_of_text,
    "preference": _problem_of_pair,
}


def _problem_of_messages(messages: Any, *, name: str) -> str:
    if not isinstance(messages, list) or not messages:
        return f"{name} is missing or empty"
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            return "a message has no text as its content"
        if message.get("role") not in ROLES:
            return f"the role {message.get('role')!r} is not known"
    return ""


def is_conversational(row: Row) -> bool:
    """Whether a row is read through the base model's chat template."""
    return "messages" in row or isinstance(row.get("prompt"), list)


def mind_pairs(rows: Sequence[Row]) -> None:
    """Tell of pairs that are no choice: DPO takes them without complaint (trap 7.5)."""
    same = sum("chosen" in row and row["chosen"] == row["rejected"] for row in rows)
    if same:
        say(
            "warning",
            f"In {same} of {len(rows)} rows chosen and rejected are the same: they teach nothing.",
        )


def divided(
    rows: List[Row], job: Mapping[str, Any], *, folder: Path
) -> Tuple[List[Row], List[Row]]:
    """Return rows to train on and rows to evaluate with.

    Those to evaluate with are a file of their own, or as the job numbers them, or found by seed.
    """
    data = job["dataset"]
    if data.get("eval_file"):
        return rows, read_rows(folder / data["eval_file"], form=data["format"])
    recipe, numbers = job["recipe"], data.get("eval_rows")
    if numbers is None:
        seed = recipe["hyperparameters"]["seed"]
        return split_rows(rows, share=recipe["eval"]["share"], seed=seed)
    held_back = set(numbers)
    if not held_back <= set(range(len(rows))) or len(held_back) == len(rows):
        raise failure("E_DATA", job={}, detail="The rows held back are not rows of this data.")
    train = [row for number, row in enumerate(rows) if number not in held_back]
    return train, [rows[number] for number in sorted(held_back)]


def split_rows(rows: list[Row], *, share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Return rows to train on and rows to evaluate with: the same ones for the same seed.

    A share above 0 holds back at least one row, but never the last one.
    """
    count = min(max(1, round(len(rows) * share)), len(rows) - 1) if share > 0 else 0
    # Not for secrets: what is wanted is the same split each time.
    held_back = set(random.Random(seed).sample(range(len(rows)), count))  # noqa: S311
    train = [row for number, row in enumerate(rows) if number not in held_back]
    return train, [rows[number] for number in sorted(held_back)]


def shared_batch(settings: Mapping[str, Any], *, processes: int) -> Tuple[int, int]:
    """Return rows at once and batches a step of each process, a step of all staying as it was.

    Where a step cannot be shared out evenly, each process does what one alone would.
    """
    at_once = settings["per_device_train_batch_size"]
    accumulation = settings["gradient_accumulation_steps"]
    if accumulation % processes == 0:
        return at_once, accumulation // processes
    of_each, rest = divmod(at_once * accumulation, processes)
    if rest:
        return at_once, accumulation
    at_once = max(size for size in range(1, at_once + 1) if of_each % size == 0)
    return at_once, of_each // at_once


def total_steps(rows: int, settings: Mapping[str, Any], *, processes: int = 1) -> int:
    """Return how many optimizer steps the run will take, as Trainer counts them."""
    if settings["max_steps"] is not None:
        return int(settings["max_steps"])
    at_once, accumulation = shared_batch(settings, processes=processes)
    batches = math.ceil(rows / (at_once * processes))
    per_epoch = math.ceil(batches / accumulation)
    steps = math.ceil(settings["num_train_epochs"] * per_epoch)
    return max(1, int(steps))


def steps_between_evaluations(total: int, *, asked: int | None) -> int:
    """Return what was asked for, else what makes about ten evaluations."""
    return asked or max(1, round(total / EVALUATIONS))


def no_longer_better(losses: Sequence[float], *, patience: int, threshold: float) -> bool:
    """Whether the last ``patience`` evaluations were none better than all before by ``threshold``.

    Counted as transformers' EarlyStoppingCallback does, but from the losses alone, so that a run
    that was broken off and goes on stops where it would have.
    """
    best, without = math.inf, 0
    for loss in losses:
        without = 0 if loss < best - threshold else without + 1
        best = min(best, loss)
    return without >= patience


def steps_between_logs(total: int, *, asked: int) -> int:
    """Return what was asked for, or more where that would log too many steps (F41)."""
    return max(asked, math.ceil(total / MAX_LOGGED_STEPS))
