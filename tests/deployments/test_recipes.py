"""Training settings: defaults, limits, and the frozen recipe of a job."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from deployments import recipes
from deployments.recipe_values import fill
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

    assert recipe["hyperparameters"].keys() == HYPERPARAMETERS.keys() - {"beta"}
    assert recipe["hyperparameters"]["lora_r"] == 32
    assert recipe["hyperparameters"]["learning_rate"] == 2e-4
    assert recipe["eval"] == {"share": 0.2, "steps": None, "samples": 3, "dataset_id": None}


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

    assert (refusal.param, refusal.remedy) == ("method", "Choose one of: sft, dpo, orpo.")


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

    method = (HYPERPARAMETERS[name].methods or ("sft",))[0]

    if allowed is None:
        assert (
            fill(HYPERPARAMETERS, {name: value}, param="hyperparameters", method=method)[name]
            == value
        )
    else:
        assert allowed in refusal_of(method=method, hyperparameters={name: value}).remedy


@pytest.mark.parametrize("method", recipes.METHODS)
def test_each_method_has_defaults_of_its_own_that_are_allowed(method: str) -> None:
    recipe = freeze(method=method)

    rates = {"sft": 2e-4, "dpo": 2e-5, "orpo": 5e-5}
    assert recipe["hyperparameters"] == recipes.defaults_of(method)
    assert recipe["hyperparameters"]["learning_rate"] == rates[method]
    assert ("beta" in recipe["hyperparameters"]) == (method != "sft")


@pytest.mark.parametrize(
    ("method", "name", "value", "way_out"),
    [
        ("dpo", "packing", True, "choose the method sft"),
        ("orpo", "packing", False, "choose the method sft"),
        ("dpo", "assistant_only_loss", True, "choose the method sft"),
        ("orpo", "completion_only_loss", True, "choose the method sft"),
        ("sft", "beta", 0.1, "choose the method dpo or orpo"),
    ],
)
def test_a_setting_of_another_method_is_refused_with_the_methods_that_have_it(
    method: str, name: str, value: object, way_out: str
) -> None:
    refusal = refusal_of(method=method, hyperparameters={name: value})

    assert refusal.param == f"hyperparameters.{name}"
    assert way_out in refusal.remedy


@pytest.mark.parametrize(
    ("given_settings", "evaluation", "param", "way_out"),
    [
        ({"early_stopping_patience": 2}, {"share": 0}, "early_stopping_patience", "eval.share"),
        ({"load_best_model_at_end": True}, {"share": 0}, "load_best_model_at_end", "eval.share"),
        ({"early_stopping_patience": 2}, {}, "load_best_model_at_end", "to true"),
        ({"early_stopping_threshold": 0.1}, {}, "early_stopping_threshold", "from 1 to 1000"),
        (
            {"load_best_model_at_end": True, "save_steps": 10},
            {"steps": 4},
            "save_steps",
            "Give save_steps 8 or 12",
        ),
        ({"load_best_model_at_end": True, "save_steps": 10}, {}, "save_steps", "eval.steps 10"),
    ],
)
def test_settings_that_contradict_one_another_are_refused_with_the_way_out(
    given_settings: dict[str, object], evaluation: dict[str, object], param: str, way_out: str
) -> None:
    refusal = refusal_of(hyperparameters=given_settings, evaluation=evaluation)

    assert refusal.param == f"hyperparameters.{param}"
    assert way_out in refusal.remedy


@pytest.mark.parametrize(
    ("given_settings", "evaluation"),
    [
        ({"load_best_model_at_end": True, "save_steps": 8}, {"steps": 4}),
        ({"load_best_model_at_end": True}, {"steps": 4}),
        ({"load_best_model_at_end": True, "early_stopping_patience": 3}, {}),
    ],
)
def test_keeping_the_best_is_taken_where_the_best_is_saved(
    given_settings: dict[str, object], evaluation: dict[str, object]
) -> None:
    check(hyperparameters=given_settings, evaluation=evaluation)
