"""How much a recipe calculates on its data, counted as the trainer will count it (pure)."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datasets.lengths import RowLengths as Measured
from deployments.estimate import Load, ModelShape, Work

# What train_checks.py on the machine does where a recipe leaves it open.
EVALUATIONS = 10
# The image's Python may be 3.10, whose newest TRL makes all logits at once.
CHUNKED_LOSS = False
# How many more tokens than its bytes say a row may have.
GUESS_FACTOR = 1.5


@dataclass(frozen=True)
class RowLengths:
    """How long the rows of a dataset are, in tokens, all of it estimated from their bytes.

    ``measured`` is None where only the mean is known.
    """

    rows: int
    mean_tokens: float
    measured: Measured | None = None

    def mean_within(self, limit: int) -> float:
        """Return the mean length once every row is cut at ``limit``."""
        mean = self.mean_tokens
        if self.measured is not None and self.measured.rows:
            mean = self.measured.tokens_within(limit) / self.measured.rows
        return max(1.0, min(mean, float(limit)))

    def longest_within(self, limit: int) -> int:
        """Return the longest row once every row is cut at ``limit``, with room for a wrong guess.

        Bytes say little of one row: its script and the model's words may make more tokens of them.
        """
        if self.measured is None:
            return limit
        return max(1, min(limit, math.ceil(self.measured.longest * GUESS_FACTOR)))

    def rows_over(self, limit: int) -> int | None:
        """Return how many rows are cut at ``limit``; None where nobody counted."""
        return None if self.measured is None else self.measured.rows_beyond(limit)


def max_length(recipe: Mapping[str, Any], *, context_tokens: int | None) -> int:
    """Return where rows are cut: where the recipe says, or earlier if the model reads no more."""
    asked = int(recipe["hyperparameters"]["max_length"])
    return min(asked, context_tokens or asked)


def load_of(
    recipe: Mapping[str, Any], lengths: RowLengths, *, context_tokens: int | None = None
) -> Load:
    """Return what one step of the recipe holds in memory."""
    settings = recipe["hyperparameters"]
    modules = settings["target_modules"]
    limit = max_length(recipe, context_tokens=context_tokens)
    return Load(
        method=str(recipe["method"]),
        lora_rank=int(settings["lora_r"]),
        target_modules=modules if isinstance(modules, str) else tuple(modules),
        micro_batch=int(settings["per_device_train_batch_size"]),
        # A packed row is as long as it may be.
        longest_tokens=limit if settings.get("packing") else lengths.longest_within(limit),
        gradient_checkpointing=bool(settings["gradient_checkpointing"]),
        quantised=bool(settings.get("load_in_4bit")),
        chunked_loss=CHUNKED_LOSS,
    )


def work_of(
    recipe: Mapping[str, Any],
    lengths: RowLengths,
    shape: ModelShape,
    *,
    context_tokens: int | None = None,
    evaluation: RowLengths | None = None,
) -> Work:
    """Return what the recipe calculates: its steps, and the evaluations between them.

    ``evaluation``: the rows of a file of its own that it is measured with.
    """
    settings = recipe["hyperparameters"]
    limit = max_length(recipe, context_tokens=context_tokens)
    row_tokens = lengths.mean_within(limit)
    apart = held_back(lengths.rows, share=share_held_out(recipe["eval"]))
    trained, a_row = lengths.rows - apart, row_tokens
    if settings.get("packing"):
        trained = max(1, math.ceil(trained * row_tokens / limit))
        a_row = min(float(limit), (lengths.rows - apart) * row_tokens)
    steps = total_steps(trained, settings)
    a_step = settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
    rows = steps * a_step
    if settings["max_steps"] is None:
        # The last batch of an epoch may be short.
        rows = min(rows, math.ceil(trained * settings["num_train_epochs"]))
    measured = apart * row_tokens
    if evaluation is not None:
        measured = evaluation.rows * evaluation.mean_within(limit)
    return Work(
        method=str(recipe["method"]),
        parameters=shape.parameters,
        tokens=rows * a_row,
        evaluation_tokens=measured * _evaluations(steps, recipe) if measured else 0,
        steps=steps,
        micro_batch=int(settings["per_device_train_batch_size"]),
        row_tokens=a_row,
        gradient_checkpointing=bool(settings["gradient_checkpointing"]),
    )


def total_steps(rows: int, settings: Mapping[str, Any]) -> int:
    """Return the optimizer's steps, as train_checks.py counts them."""
    if settings["max_steps"] is not None:
        return int(settings["max_steps"])
    batches = math.ceil(rows / int(settings["per_device_train_batch_size"]))
    an_epoch = math.ceil(batches / int(settings["gradient_accumulation_steps"]))
    return max(1, math.ceil(float(settings["num_train_epochs"]) * an_epoch))


def share_held_out(evaluation: Mapping[str, Any]) -> float:
    """Return which part of the training data is kept apart: none where other data measures."""
    return 0.0 if evaluation.get("dataset_id") else float(evaluation["share"])


def held_back(rows: int, *, share: float) -> int:
    """Return how many rows are kept apart to measure with, as train_checks.py counts them."""
    return min(max(1, round(rows * share)), max(0, rows - 1)) if share > 0 else 0


def rows_held_out(rows: int, recipe: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the rows that are kept apart, from 0: the same for the same seed.

    Chosen as train_checks.split_rows chooses them.
    """
    count = held_back(rows, share=share_held_out(recipe["eval"]))
    # Not for secrets: what is wanted is the same split each time.
    pick = random.Random(recipe["hyperparameters"]["seed"])  # noqa: S311
    return sorted(pick.sample(range(rows), count))


def _evaluations(steps: int, recipe: Mapping[str, Any]) -> int:
    """One before the first step, one every so many steps, one at the end."""
    every = recipe["eval"]["steps"] or max(1, round(steps / EVALUATIONS))
    return 1 + math.ceil(steps / every)
