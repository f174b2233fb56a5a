"""Settings that need less of a card's memory than a recipe's own, the smallest change first."""

from collections.abc import Mapping
from typing import Any

from deployments import workload
from deployments.workload import RowLengths

LENGTHS = (131_072, 65_536, 32_768, 16_384, 8192, 4096, 2048, 1024, 512, 256, 128)

# Each with a title, and the hyperparameters to change.
Candidates = list[tuple[str, dict[str, object]]]


def by_kind(
    recipe: Mapping[str, Any], lengths: RowLengths, *, context_tokens: int | None
) -> tuple[Candidates, ...]:
    """Return the changes of each kind: fewer rows at once, checkpointing, shorter rows."""
    shorter = _shorter_rows(recipe, lengths, context_tokens=context_tokens)
    return _smaller_batches(recipe), _checkpointing(recipe), shorter


def together(
    recipe: Mapping[str, Any], lengths: RowLengths, *, context_tokens: int | None
) -> Candidates:
    """Return the smallest batch with gradient checkpointing, and shorter and shorter rows."""
    smallest = _smaller_batches(recipe)[-1:]
    title = smallest[0][0] if smallest else "Gradient checkpointing on"
    changes = {**(smallest[0][1] if smallest else {}), "gradient_checkpointing": True}
    return [
        (f"{title}; {words[0].lower()}{words[1:]}", {**changes, **shorter})
        for words, shorter in _shorter_rows(recipe, lengths, context_tokens=context_tokens)
    ]


def _smaller_batches(recipe: Mapping[str, Any]) -> Candidates:
    """Fewer rows at once, so many batches a step that a step stays the same."""
    now = recipe["hyperparameters"]
    at_once = int(now["per_device_train_batch_size"])
    a_step = at_once * int(now["gradient_accumulation_steps"])
    sizes = [size for size in range(at_once - 1, 0, -1) if a_step % size == 0]
    return [
        (
            f"{size} row{'' if size == 1 else 's'} at once, {a_step // size} batches a step",
            {"per_device_train_batch_size": size, "gradient_accumulation_steps": a_step // size},
        )
        for size in sizes
    ]


def _checkpointing(recipe: Mapping[str, Any]) -> Candidates:
    if recipe["hyperparameters"]["gradient_checkpointing"]:
        return []
    return [("Gradient checkpointing on", {"gradient_checkpointing": True})]


def _shorter_rows(
    recipe: Mapping[str, Any], lengths: RowLengths, *, context_tokens: int | None
) -> Candidates:
    now = workload.max_length(recipe, context_tokens=context_tokens)
    found: Candidates = []
    for length in LENGTHS:
        if length < now:
            cut = lengths.rows_over(length)
            words = "" if cut is None else f", which cuts {cut:,} rows"
            found.append((f"Rows of at most {length:,} tokens{words}", {"max_length": length}))
    return found
