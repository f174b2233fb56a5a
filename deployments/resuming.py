"""Going on from a checkpoint: what of a recipe may change without making it another training."""

import math
from collections.abc import Mapping
from typing import Any

from core.errors import InvalidInputError
from deployments.models import Deployment

# Everything else was decided with the first step: the weights' shapes, the data and its order, and
# the optimizer's state, which keeps the learning rate.
CHANGEABLE = frozenset(
    {
        "num_train_epochs",
        "max_steps",
        "save_steps",
        "save_total_limit",
        "logging_steps",
        "gradient_checkpointing",
        "early_stopping_patience",
        "early_stopping_threshold",
    }
)
CHANGEABLE_EVAL = frozenset({"steps", "samples"})
# What a person sets of a recipe.
PARTS = ("hyperparameters", "eval", "export")
Recipe = Mapping[str, Any]


def recipe_of(deployment: Deployment) -> dict[str, Any]:
    """Return the job's frozen recipe with what was added for going on."""
    recipe: dict[str, Any] = deployment.job.config
    changes = deployment.config.get("hyperparameters") or {}
    return {**recipe, "hyperparameters": {**recipe["hyperparameters"], **changes}}


def check_changes(before: Recipe, after: Recipe) -> None:
    """Raise InvalidInputError, naming it, for a setting that may not change when going on.

    Both recipes have every setting.
    """
    for name in ("method", "base_model"):
        _check(name, before[name], after[name])
    for part, changeable in (("hyperparameters", CHANGEABLE), ("eval", CHANGEABLE_EVAL)):
        for name in sorted({*before[part], *after[part]} - changeable):
            _check(f"{part}.{name}", before[part].get(name), after[part].get(name))


def _check(param: str, was: object, wanted: object) -> None:
    if was == wanted:
        return
    name = param.rpartition(".")[2]
    may = ", ".join(sorted(CHANGEABLE | {f"eval.{each}" for each in CHANGEABLE_EVAL}))
    raise InvalidInputError(
        f"{name} cannot change when a run goes on: it was {was!r}, not {wanted!r}.",
        remedy=f"Leave {name} as it was, or train anew. What may change: {may}.",
        param=param,
    )


def is_same(before: Recipe, after: Recipe) -> bool:
    """Say whether two whole recipes are one training."""
    return all(before.get(part) == after.get(part) for part in PARTS)


def total_steps(before: Recipe, after: Recipe, *, told: int | None) -> int | None:
    """Return how many steps the changed recipe takes in all; None where nobody can say.

    ``told`` is what the machine of the recipe before said: how many steps an epoch has is seen
    only once the rows are tokens.
    """
    wanted, earlier = after["hyperparameters"], before["hyperparameters"]
    if wanted["max_steps"] is not None:
        return int(wanted["max_steps"])
    if earlier["max_steps"] is not None or not told:
        return None
    longer = float(wanted["num_train_epochs"]) / float(earlier["num_train_epochs"])
    return max(1, math.ceil(round(told * longer, 6)))
