"""Data together with how it is to be trained on: what a recipe makes of it, and what is wrong.

The wizard, the configs and every deployment ask here, so that all of them are told the same.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from core.errors import InvalidInputError, NotFoundError, UnusableDataError
from core.lookups import get_owned
from datasets.for_training import Fit, fit_of
from datasets.for_training import Training as Wanted
from datasets.models import Dataset
from datasets.tokenizers_at_hand import ModelTokenizer, tokenizer_in
from deployments import base_models
from deployments.acceptance import check_ready

EVAL_DATASET = "eval.dataset_id"


def fit(
    dataset: Dataset,
    *,
    method: str,
    base_model: str,
    settings: Mapping[str, Any],
    evaluation: Dataset | None = None,
) -> Fit:
    """Return how ready data fits a method, a model, hyperparameters and its evaluation data."""
    wanted = Wanted(
        method=method,
        max_length=int(settings["max_length"]),
        tokenizer=tokenizer_of(base_model),
        answers_only=answers_only(settings, is_chat=dataset.format == Dataset.Format.CHAT),
        evaluation=evaluation,
    )
    return fit_of(dataset, wanted)


def answers_only(settings: Mapping[str, Any], *, is_chat: bool) -> bool:
    """Say whether the loss is of answers alone; where a method has no such setting, it is."""
    return bool(settings.get("assistant_only_loss" if is_chat else "completion_only_loss", True))


def check(user: User, dataset: Dataset, recipe: Mapping[str, Any]) -> None:
    """Refuse what the data cannot be used for (F7), naming the first thing that is wrong.

    Raises: UnusableDataError, with all that was found as its details; NotFoundError for evaluation
    data that is not the user's.
    """
    evaluation = evaluation_of(user, recipe["eval"])
    if evaluation is not None:
        check_ready(evaluation)
    errors = fit(
        dataset,
        method=str(recipe["method"]),
        base_model=str(recipe["base_model"]),
        settings=recipe["hyperparameters"],
        evaluation=evaluation,
    ).errors
    if errors:
        first = errors[0]
        raise UnusableDataError(
            first["message"], remedy=first["fix"], param=first["field"], details=errors
        )


def evaluation_of(user: User, evaluation: Mapping[str, Any]) -> Dataset | None:
    """Return the data that a recipe is evaluated with; None where rows are held out for that.

    Raises: NotFoundError when it is not there, or not the user's.
    """
    dataset_id = evaluation.get("dataset_id")
    if not dataset_id:
        return None
    try:
        return get_owned(Dataset.objects.active(), user, str(dataset_id))
    except NotFoundError as error:
        error.param = EVAL_DATASET
        raise


def tokenizer_of(base_model: str) -> ModelTokenizer | None:
    """Return a base model's tokeniser where we have it: our model folder or the Hub's cache."""
    try:
        folder = base_models.local_folder(base_model)
    except InvalidInputError:
        return None
    if folder is None:
        folder = base_models.cached_folder(base_model)
    if folder is None or not (folder / "tokenizer.json").is_file():
        return None
    return _read(folder, (folder / "tokenizer.json").stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(folder: Path, changed_at: int) -> ModelTokenizer | None:
    return tokenizer_in(folder)
