"""Training settings: what may be set, within which limits, and what they are when nobody says.

Names are those of TRL and PEFT. Defaults for LoRA by method: libraries name them for full tuning,
where they are ten to a hundred times too small (training-stack.md section 3).
"""

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInputError
from deployments import base_models

METHODS = ("sft",)
SCHEDULERS = ("cosine", "linear", "constant")
ALL_LINEAR = "all-linear"
MODULE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

Check = Callable[[object], str | None]


@dataclass(frozen=True)
class Setting:
    """One setting: its default and a check that returns what is allowed when the value is not."""

    default: object
    check: Check


def _whole(low: int, high: int, *, none: bool = False) -> Check:
    def check(value: object) -> str | None:
        if value is None and none:
            return None
        fine = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        allowed = f"a whole number from {low} to {high}"
        return None if fine else allowed + (" or null" if none else "")

    return check


def _number(low: float, high: float) -> Check:
    def check(value: object) -> str | None:
        fine = (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            # Compared as they are: NaN and infinity fail, and a huge whole number need not be
            # a float at all.
            and low <= value <= high
        )
        return None if fine else f"a number from {low:g} to {high:g}"

    return check


def _one_of(*choices: str) -> Check:
    def check(value: object) -> str | None:
        return None if value in choices else f"one of {', '.join(choices)}"

    return check


def _yes_or_no(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _modules(value: object) -> str | None:
    named = (
        isinstance(value, list)
        and 0 < len(value) <= 32
        and all(isinstance(name, str) and MODULE_NAME.fullmatch(name) for name in value)
    )
    return None if value == ALL_LINEAR or named else f"{ALL_LINEAR!r} or a list of module names"


HYPERPARAMETERS: dict[str, Setting] = {
    "lora_r": Setting(8, _whole(1, 512)),
    "lora_alpha": Setting(16, _whole(1, 1024)),
    "lora_dropout": Setting(0.0, _number(0, 0.5)),
    "target_modules": Setting(ALL_LINEAR, _modules),
    "learning_rate": Setting(2e-4, _number(1e-8, 1)),
    "lr_scheduler_type": Setting("cosine", _one_of(*SCHEDULERS)),
    "warmup_ratio": Setting(0.03, _number(0, 0.5)),
    "weight_decay": Setting(0.0, _number(0, 1)),
    "num_train_epochs": Setting(1.0, _number(0.001, 100)),
    "max_steps": Setting(None, _whole(1, 10_000_000, none=True)),
    "per_device_train_batch_size": Setting(4, _whole(1, 256)),
    "gradient_accumulation_steps": Setting(4, _whole(1, 1024)),
    "max_length": Setting(1024, _whole(16, 131_072)),
    "assistant_only_loss": Setting(default=True, check=_yes_or_no),
    "gradient_checkpointing": Setting(default=True, check=_yes_or_no),
    "seed": Setting(42, _whole(0, 2**31 - 1)),
    "logging_steps": Setting(1, _whole(1, 10_000)),
    "save_steps": Setting(None, _whole(1, 10_000_000, none=True)),
}
# What people choose from instead of setting everything; each names what it governs.
OWN_PRESET = "own"
PRESETS: dict[str, Mapping[str, object]] = {
    "light": {
        "lora_r": 8,
        "lora_alpha": 16,
        "learning_rate": 2e-4,
        "num_train_epochs": 1.0,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "max_length": 1024,
    },
    "balanced": {
        "lora_r": 16,
        "lora_alpha": 32,
        "learning_rate": 2e-4,
        "num_train_epochs": 3.0,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "max_length": 2048,
    },
    "thorough": {
        "lora_r": 64,
        "lora_alpha": 128,
        "learning_rate": 1e-4,
        "num_train_epochs": 4.0,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "max_length": 4096,
    },
}
EVAL: dict[str, Setting] = {
    "share": Setting(0.1, _number(0, 0.5)),
    "steps": Setting(None, _whole(1, 10_000_000, none=True)),
    # How many of the held-out prompts are answered at each evaluation, for people to read.
    "samples": Setting(3, _whole(0, 5)),
}


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
    check_settings(hyperparameters)
    check_evaluation(evaluation)
    fill({}, export, param="export")


def check_method(method: str) -> None:
    """Raise InvalidInputError unless this version trains by the method."""
    if method not in METHODS:
        raise InvalidInputError(
            f"The method {method!r} is not available.",
            remedy=f"Choose one of: {', '.join(METHODS)}.",
            param="method",
        )


def check_settings(hyperparameters: Mapping[str, object]) -> None:
    """Raise InvalidInputError, naming the setting, unless all are known and within limits."""
    fill(HYPERPARAMETERS, hyperparameters, param="hyperparameters")


def check_evaluation(evaluation: Mapping[str, object]) -> None:
    """Raise InvalidInputError, naming the setting, unless all are known and within limits."""
    fill(EVAL, evaluation, param="eval")


def freeze(
    *,
    method: str,
    base_model: str,
    hyperparameters: Mapping[str, object],
    evaluation: Mapping[str, object],
) -> dict[str, Any]:
    """Return the whole recipe with every default filled in, as a job keeps it.

    Raises: InvalidInputError naming the setting and what is allowed.
    """
    return {
        "method": method,
        "base_model": base_model,
        "revision": None,
        "hyperparameters": fill(HYPERPARAMETERS, hyperparameters, param="hyperparameters"),
        "eval": fill(EVAL, evaluation, param="eval"),
    }


def fill(
    settings: Mapping[str, Setting], given: Mapping[str, object], *, param: str
) -> dict[str, object]:
    """Return every setting, the given ones checked; unknown names are refused by name."""
    for name in given:
        if name not in settings:
            known = ", ".join(settings) or "none in this version"
            raise InvalidInputError(
                f"There is no setting named {name} in {param}.",
                remedy=f"Remove it. Known settings: {known}.",
                param=f"{param}.{name}",
            )
    filled: dict[str, object] = {}
    for name, setting in settings.items():
        value = given.get(name, setting.default)
        allowed = setting.check(value)
        if allowed is not None:
            raise InvalidInputError(
                f"{name} is {reprlib.repr(value)}, which is not allowed.",
                remedy=f"Give {allowed}; the default is {setting.default!r}.",
                param=f"{param}.{name}",
            )
        filled[name] = value
    return filled
