"""Runs being set up: what a draft holds, what is still missing from it, and what it amounts to.

``Draft.values``, every key optional, written by the step that owns it: ``method``; ``base_model``;
``preset`` and ``hyperparameters`` (what differs from the preset); ``eval`` (``share``, ``steps``);
``warnings_seen`` (finding codes); ``machine`` {platform, instance_type, region, hourly};
``show`` (which offers are listed); ``max_hourly_price``; ``fallback_total_limit``;
``wait_for`` [{platform, instance_type, region}]; ``wait_for_capacity_minutes``;
``budget_limit``; ``max_hours``; ``keep_on_failure_minutes``. And ``adapter_from`` {id, name}, given
at the beginning: the earlier adapter that the run starts from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from core.errors import SlipwayError
from core.lookups import get_owned
from core.time import database_now
from datasets.findings import Severity
from datasets.for_training import Fit
from datasets.models import Dataset
from deployments import base_models, earlier_adapters, going_on, recipes, services, training_data
from deployments.earlier_adapters import Adapter
from deployments.models import Draft, TrainingJob
from deployments.training_data import EVAL_DATASET

MAX_NAME = 120
DEFAULT_METHOD = "sft"
DEFAULT_PRESET = "balanced"


# In which step a finding of the data's fit is mended.
_STEP_OF_FIELD = {"base_model": "model", "max_length": "training", EVAL_DATASET: "data"}


@dataclass(frozen=True)
class Gap:
    """What a step still lacks, or what is wrong with it."""

    step: str
    message: str
    remedy: str = ""
    param: str = ""


def begin(
    user: User, *, dataset: Dataset | None = None, values: Mapping[str, Any] | None = None
) -> Draft:
    """Return a new draft with these first values; an untouched one that is the same is reused."""
    first = dict(values or {})
    for untouched in Draft.objects.filter(user=user, version=0, dataset=dataset):
        if untouched.values == first:
            return untouched
    now = database_now()
    return Draft.objects.create(
        user=user, dataset=dataset, values=first, created_at=now, updated_at=now
    )


def begin_from(job: TrainingJob, *, adapter: Adapter | None = None) -> Draft:
    """Return a draft with the choices of an earlier run, to be trained again with changes.

    With an ``adapter`` the run starts from its weights.
    """
    recipe: Mapping[str, Any] = job.config
    newest = job.deployments.order_by("-created_at").first()
    values: dict[str, Any] = {
        "method": recipe.get("method", DEFAULT_METHOD),
        "base_model": job.model_name,
        "preset": recipes.OWN_PRESET,
        "hyperparameters": dict(recipe.get("hyperparameters", {})),
        "eval": dict(recipe.get("eval", {})),
        "export": dict(recipe.get("export", {})),
    }
    if newest is not None:
        values["budget_limit"] = str(newest.budget_limit)
        values["max_hours"] = str(newest.max_hours)
        values["wait_for_capacity_minutes"] = newest.wait_for_capacity_minutes
    if adapter is not None:
        values["adapter_from"] = {"id": adapter.id, "name": adapter.name}
    draft = begin(job.user, dataset=job.dataset, values=values)
    Draft.objects.filter(pk=draft.pk).update(name=job.name)
    draft.refresh_from_db()
    return draft


def touched(user: User) -> list[Draft]:
    """Return the user's drafts in which something was saved, last touched first."""
    return list(Draft.objects.filter(user=user, version__gt=0).select_related("dataset"))


def change(draft: Draft, values: Mapping[str, Any] | None = None, **fields: Any) -> Draft:
    """Save one step's own values and fields, and nothing else of the draft.

    The row is read again under a lock, so that two tabs on different steps keep both their
    changes; ``eval`` belongs to two steps and is merged by key.
    Raises: NotFoundError when the draft was deleted or started meanwhile.
    """
    with transaction.atomic():
        kept = get_owned(Draft.objects.select_for_update(), draft.user, draft.pk)
        for name, value in (values or {}).items():
            kept.values[name] = {**kept.values.get(name, {}), **value} if name == "eval" else value
        for name, value in fields.items():
            setattr(kept, name, value)
        kept.version += 1
        kept.updated_at = database_now()
        kept.save()
    return kept


def name_of(draft: Draft) -> str:
    """Return its name; before it has one of its own, that of its data with a number."""
    if draft.name:
        return draft.name
    if draft.dataset is None:
        return "New run"
    earlier = draft.user.deployments.filter(job__dataset=draft.dataset_id).count()
    number = f" v{earlier + 1}" if earlier else ""
    return draft.dataset.name[: MAX_NAME - len(number)] + number


def method_of(draft: Draft) -> str:
    """Return the chosen method, before that the usual one."""
    return str(draft.values.get("method", DEFAULT_METHOD))


def preset_values(draft: Draft) -> dict[str, Any]:
    """Return every setting as the draft's preset has it: the defaults where it says nothing."""
    return recipes.defaults_of(method_of(draft)) | _preset(draft)


def hyperparameters(draft: Draft) -> dict[str, Any]:
    """Return the preset's values with what was changed over them; the defaults fill the rest."""
    return {**_preset(draft), **own_settings(draft)}


def settings_of(draft: Draft) -> dict[str, Any]:
    """Return every setting as it would be trained with, whether it may be so or not."""
    return {**preset_values(draft), **own_settings(draft)}


def own_settings(draft: Draft) -> dict[str, Any]:
    """Return what was changed, without what was changed for a method that is no longer chosen."""
    kept = recipes.settings_of(method_of(draft))
    own: dict[str, Any] = draft.values.get("hyperparameters", {})
    return {n: v for n, v in own.items() if n in kept or n not in recipes.HYPERPARAMETERS}


def _preset(draft: Draft) -> dict[str, Any]:
    chosen = str(draft.values.get("preset", DEFAULT_PRESET))
    return dict(recipes.presets(method_of(draft)).get(chosen, {}))


def recipe(draft: Draft) -> dict[str, Any]:
    """Return the whole recipe as a job would keep it.

    Raises: InvalidInputError naming the setting and what is allowed.
    """
    return recipes.freeze(
        method=method_of(draft),
        base_model=str(draft.values.get("base_model", "")),
        hyperparameters=hyperparameters(draft),
        evaluation=draft.values.get("eval", {}),
        export=draft.values.get("export", {}),
    )


def warnings_to_see(draft: Draft) -> list[str]:
    """Return the codes of the data's warnings that nobody has ticked off yet."""
    if draft.dataset is None:
        return []
    seen = draft.values.get("warnings_seen", [])
    found = {f["code"] for f in draft.dataset.findings if f["severity"] == Severity.WARNING}
    return sorted(found - set(seen))


def gaps(draft: Draft) -> dict[str, tuple[Gap, ...]]:
    """Return by step what is still missing or wrong; a step without gaps is done."""
    found = {step: tuple(check(draft)) for step, check in CHECKS.items()}
    for gap in _misfits(draft):
        found[gap.step] = (*found[gap.step], gap)
    return found


def fit_of(draft: Draft) -> Fit | None:
    """Return how the draft's data fits what is chosen so far; None of data that is not ready.

    Whether it serves the method is asked in the method's step.
    """
    dataset = draft.dataset
    if dataset is None or not dataset.is_ready:
        return None
    try:
        evaluation = training_data.evaluation_of(draft.user, draft.values.get("eval", {}))
    except SlipwayError:
        evaluation = None
    return training_data.fit(
        dataset,
        method=dataset.methods[0],
        base_model=str(draft.values.get("base_model", "")),
        settings=settings_of(draft),
        evaluation=evaluation,
    )


def _misfits(draft: Draft) -> list[Gap]:
    """Return what of model, length and evaluation data the training data cannot go with."""
    fit = fit_of(draft)
    return [
        Gap(_STEP_OF_FIELD[one["field"]], one["message"], one["fix"], param=one["field"])
        for one in (fit.errors if fit is not None else [])
    ]


def _data(draft: Draft) -> list[Gap]:
    dataset = draft.dataset
    if dataset is None or dataset.deleted_at is not None:
        lost = "The data was deleted." if dataset else "No data is chosen yet."
        return [Gap("data", lost, "Choose data to learn from.", param="dataset_id")]
    found = _refused("data", lambda: services.check_ready(dataset))
    found += _refused("data", lambda: _check_evaluation(draft))
    if not found and warnings_to_see(draft):
        found = [Gap("data", "The data has warnings.", "Tick that you have seen them.")]
    return found


def _check_evaluation(draft: Draft) -> None:
    evaluation = training_data.evaluation_of(draft.user, draft.values.get("eval", {}))
    if evaluation is not None:
        services.check_ready(evaluation)


def method_gaps(draft: Draft, method: str) -> list[Gap]:
    """Return why this version, or the draft's data, cannot be trained by a method; [] if it can."""
    found = _refused("method", lambda: recipes.check_method(method))
    dataset = draft.dataset
    if found or dataset is None or not dataset.is_ready:
        return found
    return _refused("method", lambda: services.check_dataset(dataset, method=method))


def _method(draft: Draft) -> list[Gap]:
    if "method" not in draft.values:
        return [Gap("method", "No method is chosen yet.", "Choose one.", param="method")]
    return method_gaps(draft, method_of(draft))


def _model(draft: Draft) -> list[Gap]:
    model = draft.values.get("base_model")
    if not model:
        return [Gap("model", "No model is chosen yet.", "Choose one.", param="base_model")]
    return model_gaps(str(model))


def model_gaps(model: str) -> list[Gap]:
    """Return what is wrong with a base model's name; [] if nothing is."""
    return _refused("model", lambda: base_models.check_name(model))


def _training(draft: Draft) -> list[Gap]:
    if "preset" not in draft.values:
        return [Gap("training", "No settings are chosen yet.", "Choose a preset.")]
    found = _refused(
        "training",
        lambda: recipes.check_settings(
            hyperparameters(draft),
            method=method_of(draft),
            evaluation=draft.values.get("eval", {}),
        ),
    )
    return found or _refused("training", lambda: _check_adapter(draft))


def _check_adapter(draft: Draft) -> None:
    kept = draft.values.get("adapter_from")
    if kept:
        earlier_adapters.check_fits(
            going_on.find_adapter(draft.user, str(kept["id"])),
            model_name=str(draft.values.get("base_model", "")),
            recipe={"hyperparameters": settings_of(draft)},
        )


def _hardware(draft: Draft) -> list[Gap]:
    if not draft.values.get("machine"):
        return [Gap("hardware", "No machine is chosen yet.", "Choose one.", param="machine")]
    if not draft.values.get("budget_limit"):
        return [Gap("hardware", "No budget is set yet.", "Set one.", param="budget_limit")]
    return []


def _refused(step: str, check: Callable[[], object]) -> list[Gap]:
    """Ask what the API asks; return what it would answer."""
    try:
        check()
    except SlipwayError as error:
        return [Gap(step, error.message, error.remedy, param=error.param or "")]
    return []


CHECKS: dict[str, Callable[[Draft], list[Gap]]] = {
    "data": _data,
    "method": _method,
    "model": _model,
    "training": _training,
    "hardware": _hardware,
}
