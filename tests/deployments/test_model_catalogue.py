"""Sizes of models: the curated ones against what their pages say, others from a config.json."""

import json
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from deployments import model_catalogue
from deployments.model_catalogue import CURATED, CuratedModel

# As the Hub's pages state them, in billions.
PUBLISHED = {
    "Qwen/Qwen2.5-0.5B-Instruct": 0.494,
    "meta-llama/Llama-3.2-1B-Instruct": 1.24,
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": 1.71,
    "meta-llama/Llama-3.2-3B-Instruct": 3.21,
    "microsoft/Phi-4-mini-instruct": 3.84,
    "Qwen/Qwen3-4B": 4.02,
    "mistralai/Mistral-7B-Instruct-v0.3": 7.25,
    "Qwen/Qwen2.5-7B-Instruct": 7.62,
    "meta-llama/Llama-3.1-8B-Instruct": 8.03,
    "Qwen/Qwen3-8B": 8.19,
    "google/gemma-2-9b-it": 9.24,
    "microsoft/phi-4": 14.7,
    "Qwen/Qwen3-32B": 32.8,
    "meta-llama/Llama-3.3-70B-Instruct": 70.6,
}


@pytest.mark.parametrize("model", CURATED, ids=lambda model: model.hub_id)
def test_the_sizes_make_the_published_number_of_parameters(model: CuratedModel) -> None:
    assert model.parameters / 1e9 == pytest.approx(PUBLISHED[model.hub_id], rel=0.005)


def test_models_are_listed_from_small_to_large() -> None:
    sizes = [model.parameters for model in CURATED]

    assert sizes == sorted(sizes, key=lambda size: round(size / 1e9))


def test_a_hub_id_is_known_however_it_is_spelt() -> None:
    assert model_catalogue.shape_of("qwen/qwen3-4b") == model_catalogue.shape_of("Qwen/Qwen3-4B")


def test_nothing_is_made_up_for_another_model() -> None:
    assert model_catalogue.shape_of("somebody/model-13b") is None
    assert model_catalogue.context_of("somebody/model-13b") is None


def write_config(settings: Settings, content: object, *, name: str = "tiny") -> str:
    folder = Path(settings.LOCAL_MODELS_DIR) / name
    folder.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "config.json").write_text(text, encoding="utf-8")
    return f"local:{name}"


TINY = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}


def test_a_local_models_sizes_are_read_from_its_config(settings: Settings) -> None:
    name = write_config(settings, TINY)

    shape = model_catalogue.shape_of(name)

    assert shape is not None
    assert (shape.hidden, shape.mlp, shape.layers, shape.vocabulary) == (64, 128, 2, 512)
    # Not stated: what is left when the width is shared out among the heads.
    assert shape.head_size == 16
    assert shape.is_tied
    assert model_catalogue.context_of(name) == 1024


def test_a_config_that_was_changed_is_read_again(settings: Settings) -> None:
    name = write_config(settings, TINY)
    model_catalogue.shape_of(name)

    write_config(settings, TINY | {"num_hidden_layers": 3})

    shape = model_catalogue.shape_of(name)
    assert shape is not None
    assert shape.layers == 3


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        [],
        {"model_type": "llama"},
        TINY | {"hidden_size": "64"},
        TINY | {"hidden_size": True},
        TINY | {"vocab_size": -1},
        TINY | {"num_local_experts": 8},
    ],
)
def test_a_config_that_says_too_little_gives_no_sizes(settings: Settings, content: object) -> None:
    assert model_catalogue.shape_of(write_config(settings, content)) is None


def test_a_local_model_that_is_not_there_has_no_sizes(settings: Settings) -> None:
    assert model_catalogue.shape_of("local:absent") is None
    assert model_catalogue.context_of("local:absent") is None
