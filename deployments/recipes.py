"""Training settings: what may be set, within which limits, and what they are when nobody says.

Names are those of TRL, PEFT and transformers. Defaults for LoRA by method: libraries name them for
full tuning, where they are ten to a hundred times too small (training-stack.md section 3).
"""

from collections.abc import Mapping
from typing import Any

from core.errors import InvalidInputError
from deployments import base_models
from deployments.recipe_values import (
    ALL_LINEAR,
    Setting,
    dataset_id,
    fill,
    modules,
    number,
    of_method,
    one_of,
    whole,
    yes_or_no,
)

SFT, DPO, ORPO = "sft", "dpo", "orpo"
METHODS = (SFT, DPO, ORPO)
PREFERENCE = (DPO, ORPO)
SCHEDULERS = ("cosine", "linear", "constant")
MOST_STEPS = 10_000_000
MOST_HELD_OUT = 0.5

HYPERPARAMETERS: dict[str, Setting] = {
    "lora_r": Setting(8, whole(1, 512)),
    "lora_alpha": Setting(16, whole(1, 1024)),
    "lora_dropout": Setting(0.0, number(0, 0.5)),
    "target_modules": Setting(ALL_LINEAR, modules),
    "load_in_4bit": Setting(default=False, check=yes_or_no),
    "learning_rate": Setting(2e-4, number(1e-8, 1), by_method={DPO: 2e-5, ORPO: 5e-5}),
    "lr_scheduler_type": Setting("cosine", one_of(*SCHEDULERS)),
    "warmup_ratio": Setting(0.03, number(0, 0.5), by_method={DPO: 0.1, ORPO: 0.1}),
    "weight_decay": Setting(0.0, number(0, 1)),
    "num_train_epochs": Setting(1.0, number(0.001, 100)),
    "max_steps": Setting(None, whole(1, MOST_STEPS, none=True)),
    "per_device_train_batch_size": Setting(4, whole(1, 256), by_method={DPO: 2, ORPO: 2}),
    "gradient_accumulation_steps": Setting(4, whole(1, 1024), by_method={DPO: 8, ORPO: 8}),
    "max_length": Setting(1024, whole(16, 131_072)),
    "packing": Setting(default=False, check=yes_or_no, methods=(SFT,)),
    "assistant_only_loss": Setting(default=True, check=yes_or_no, methods=(SFT,)),
    "completion_only_loss": Setting(default=True, check=yes_or_no, methods=(SFT,)),
    "beta": Setting(0.1, number(0.001, 10), methods=PREFERENCE),
    "gradient_checkpointing": Setting(default=True, check=yes_or_no),
    "seed": Setting(42, whole(0, 2**31 - 1)),
    "logging_steps": Setting(1, whole(1, 10_000)),
    "save_steps": Setting(None, whole(1, MOST_STEPS, none=True)),
    "save_total_limit": Setting(2, whole(1, 100)),
    "load_best_model_at_end": Setting(default=False, check=yes_or_no),
    "early_stopping_patience": Setting(None, whole(1, 1000, none=True)),
    # By any improvement however small a run never stops (training-stack.md section 5).
    "early_stopping_threshold": Setting(0.001, number(0, 100)),
}
EVAL: dict[str, Setting] = {
    "share": Setting(0.1, number(0, MOST_HELD_OUT)),
    "steps": Setting(None, whole(1, MOST_STEPS, none=True)),
    # How many of the held-out prompts are answered at each evaluation, for people to read.
    "samples": Setting(3, whole(0, 5)),
    # Data of its own to measure with; no row of the training data is then held out.
    "dataset_id": Setting(None, dataset_id),
}

# What comes home beside the adapter.
EXPORT: dict[str, Setting] = {"merged": Setting(default=False, check=yes_or_no)}

# What people choose from instead of setting everything; each names what it governs.
OWN_PRESET = "own"
LIGHT, BALANCED, THOROUGH = "light", "balanced", "thorough"
_SIZES: dict[str, Mapping[str, object]] = {
    LIGHT: {"lora_r": 8, "lora_alpha": 16, "max_length": 1024},
    BALANCED: {"lora_r": 16, "lora_alpha": 32, "max_length": 2048},
    THOROUGH: {"lora_r": 64, "lora_alpha": 128, "max_length": 4096},
}
_BATCH = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 8}
# A preference row is two rows in memory.
_PAIRS = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 16}
# Learning rate and epochs; preferences are learnt in fewer passes, by smaller steps.
_PACES: dict[str, dict[str, tuple[float, float]]] = {
    SFT: {LIGHT: (2e-4, 1.0), BALANCED: (2e-4, 3.0), THOROUGH: (1e-4, 4.0)},
    DPO: {LIGHT: (2e-5, 1.0), BALANCED: (2e-5, 1.0), THOROUGH: (1e-5, 2.0)},
    ORPO: {LIGHT: (5e-5, 1.0), BALANCED: (5e-5, 2.0), THOROUGH: (3e-5, 3.0)},
}
PRESETS: dict[str, dict[str, Mapping[str, object]]] = {
    method: {
        name: {
            **_SIZES[name],
            "learning_rate": rate,
            "num_train_epochs": epochs,
            **(_BATCH if method == SFT else _PAIRS),
        }
        for name, (rate, epochs) in paces.items()
    }
    for method, paces in _PACES.items()
}


def presets(method: str) -> Mapping[str, Mapping[str, object]]:
    """Return the presets of a method by name; those of SFT for one we do not know."""
    return PRESETS.get(method, PRESETS[SFT])


def settings_of(method: str) -> dict[str, Setting]:
    """Return the hyperparameters that a method has."""
    return of_method(HYPERPARAMETERS, method)


def defaults_of(method: str) -> dict[str, object]:
    """Return the default of every hyperparameter that a method has."""
    return {name: setting.default_for(method) for name, setting in settings_of(method).items()}


def check(
    *,
    method: str,
    base_model: str,
    hyperparameters: Mapping[str, object],
    evaluation: Mapping[str, object],
    export: Mapping[str, object],
) -> None:
    """Raise InvalidInputError, naming the field, unless a run can be made from these."""
    check_method(method)
    base_models.check_name(base_model)
    check_settings(hyperparameters, method=method, evaluation=evaluation)
    fill(EXPORT, export, param="export", method=method)


def check_method(method: str) -> None:
    """Raise InvalidInputError unless this version trains by the method."""
    if method not in METHODS:
        raise InvalidInputError(
            f"The method {method!r} is not available.",
            remedy=f"Choose one of: {', '.join(METHODS)}.",
            param="method",
        )


def check_settings(
    hyperparameters: Mapping[str, object],
    *,
    method: str = SFT,
    evaluation: Mapping[str, object] | None = None,
) -> None:
    """Raise InvalidInputError, naming the setting, unless all are known, within limits and fit."""
    _filled(method, hyperparameters, evaluation or {})


def freeze(
    *,
    method: str,
    base_model: str,
    hyperparameters: Mapping[str, object],
    evaluation: Mapping[str, object],
    export: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the whole recipe with every default filled in, as a job keeps it.

    Raises: InvalidInputError naming the setting and what is allowed.
    """
    settings, measured = _filled(method, hyperparameters, evaluation)
    return {
        "method": method,
        "base_model": base_model,
        "revision": None,
        "hyperparameters": settings,
        "eval": measured,
        "export": fill(EXPORT, export or {}, param="export", method=method),
    }


def _filled(
    method: str, hyperparameters: Mapping[str, object], evaluation: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    settings = fill(HYPERPARAMETERS, hyperparameters, param="hyperparameters", method=method)
    measured = fill(EVAL, evaluation, param="eval", method=method)
    _check_together(settings, measured)
    return settings, measured


def _check_together(settings: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    """Refuse settings that are each allowed and contradict one another (training-stack.md 5)."""
    keeps_best, patience = settings["load_best_model_at_end"], settings["early_stopping_patience"]
    for name, is_set in (
        ("early_stopping_patience", patience is not None),
        ("load_best_model_at_end", keeps_best),
    ):
        if is_set and measured["share"] == 0 and not measured["dataset_id"]:
            raise _contradiction(
                name,
                f"{name} needs an evaluation, and eval.share is 0.",
                f"Give eval.share a number above 0 and up to 0.5, or leave {name} out.",
            )
    usual = HYPERPARAMETERS["early_stopping_threshold"].default
    if settings["early_stopping_threshold"] != usual and patience is None:
        raise _contradiction(
            "early_stopping_threshold",
            "early_stopping_threshold has no effect without early_stopping_patience.",
            "Give early_stopping_patience a whole number from 1 to 1000, or leave the threshold "
            "out.",
        )
    if patience is not None and not keeps_best:
        raise _contradiction(
            "load_best_model_at_end",
            "early_stopping_patience stops after the best evaluation, and load_best_model_at_end "
            "is false: the adapter would be a worse one.",
            "Set load_best_model_at_end to true, or leave early_stopping_patience out.",
        )
    if keeps_best:
        _check_best_is_saved(settings["save_steps"], measured["steps"])


def _check_best_is_saved(save: int | None, evaluate: int | None) -> None:
    """The best one can only be kept if it is saved when it is evaluated."""
    if save is None:
        return
    if evaluate is None:
        raise _contradiction(
            "save_steps",
            f"With load_best_model_at_end, save_steps {save} must be a multiple of eval.steps, "
            "which is not given.",
            f"Give eval.steps {save} or a number that divides it, or leave save_steps out: then "
            "each evaluation is saved.",
        )
    if save % evaluate:
        raise _contradiction(
            "save_steps",
            f"With load_best_model_at_end, save_steps must be a multiple of eval.steps; {save} is "
            f"none of {evaluate}.",
            f"Give save_steps {evaluate * max(1, save // evaluate)} or "
            f"{evaluate * (save // evaluate + 1)}, or leave it out: then each evaluation is saved.",
        )


def _contradiction(name: str, message: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(message, remedy=remedy, param=f"hyperparameters.{name}")
