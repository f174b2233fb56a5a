"""Training settings: defaults, limits, and the frozen recipe of a job."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from deployments import recipes
from deployments.recipes import EVAL, HYPERPARAMETERS


def freeze(**given_: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "method": "sft",
        "base_model": "example/tiny-llama",
        "hyperparameters": {},
        "evaluation": {},
    }
    return recipes.freeze(**(values | given_))


def check(**given_: Any) -> None:
    values: dict[str, Any] = {
        "method": "sft",
        "base_model": "example/tiny-llama",
        "hyperparameters": {},
        "evaluation": {},
        "export": {},
    }
    recipes.check(**(values | given_))


def refusal_of(**given_: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as refusal:
        check(**given_)
    return refusal.value


def test_a_frozen_recipe_has_every_setting_filled_in() -> None:
    recipe = freeze(hyperparameters={"lora_r": 32}, evaluation={"share": 0.2})

    assert recipe["hyperparameters"].keys() == HYPERPARAMETERS.keys()
    assert recipe["hyperparameters"]["lora_r"] == 32
    assert recipe["hyperparameters"]["learning_rate"] == 2e-4
    assert recipe["eval"] == {"share": 0.2, "steps": None, "samples": 3}


def test_every_default_is_within_its_own_limits() -> None:
    for name, setting in (HYPERPARAMETERS | EVAL).items():
        assert setting.check(setting.default) is None, name


@pytest.mark.parametrize(
    ("group", "param"),
    [("hyperparameters", "hyperparameters"), ("evaluation", "eval"), ("export", "export")],
)
def test_an_unknown_setting_is_refused_by_name(group: str, param: str) -> None:
    refusal = refusal_of(**{group: {"lora_rank": 8}})

    assert refusal.param == f"{param}.lora_rank"
    assert "lora_rank" in refusal.message


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    refusal = refusal_of(method="grpo")

    assert (refusal.param, refusal.remedy) == ("method", "Choose one of: sft.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lora_r", 0),
        ("lora_r", 513),
        ("lora_r", 8.0),
        ("lora_r", True),
        ("lora_r", "8"),
        ("lora_r", None),
        ("lora_dropout", 0.6),
        ("lora_dropout", float("nan")),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("learning_rate", 10**400),
        ("learning_rate", False),
        ("lr_scheduler_type", "polynomial"),
        ("lr_scheduler_type", ["cosine"]),
        ("target_modules", []),
        ("target_modules", ["q_proj; rm -rf /"]),
        ("target_modules", "q_proj"),
        ("target_modules", {"q_proj": 1}),
        ("max_steps", 0),
        ("assistant_only_loss", 1),
        ("seed", -1),
    ],
)
def test_a_value_outside_the_limits_is_refused_with_the_limits(name: str, value: object) -> None:
    refusal = refusal_of(hyperparameters={name: value})

    assert refusal.param == f"hyperparameters.{name}"
    assert "default" in refusal.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lora_r", 512),
        ("learning_rate", 1),
        ("max_steps", None),
        ("target_modules", ["q_proj", "v_proj"]),
        ("num_train_epochs", 0.5),
    ],
)
def test_a_value_within_the_limits_is_kept_as_given(name: str, value: object) -> None:
    assert freeze(hyperparameters={name: value})["hyperparameters"][name] == value


def test_a_refusal_does_not_repeat_a_whole_book() -> None:
    refusal = refusal_of(hyperparameters={"lr_scheduler_type": "x" * 100_000})

    assert len(refusal.message) < 300


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(HYPERPARAMETERS)), value=anything | st.just(-(10**400)))
def test_whatever_is_given_is_taken_or_refused_with_a_remedy(name: str, value: object) -> None:
    allowed = HYPERPARAMETERS[name].check(value)

    if allowed is None:
        assert freeze(hyperparameters={name: value})["hyperparameters"][name] == value
    else:
        assert allowed in refusal_of(hyperparameters={name: value}).remedy
