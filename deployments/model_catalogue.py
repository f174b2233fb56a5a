"""Well-known open models with their sizes, and where the sizes of any other model are read.

Sizes are those of each model's published config.json. Where they were read: litgpt's config.py
(Lightning-AI/litgpt) for all but the Qwen models from 4B on, which are in citsjtu2020/LLM-Prof,
sglang/Model_Config.md. Licences and gating are from memory of the Hub's model pages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import InvalidInputError
from deployments import base_models
from deployments.estimate import ModelShape

LARGEST_CONFIG_BYTES = 1_000_000
FUSED = frozenset({"phi3"})
# Their classes tie embeddings and head unless a config.json says otherwise.
TIED_BY_DEFAULT = frozenset({"gemma", "gemma2", "gemma3_text"})
# Mixtures of experts hold more weights than they use for a token: the formulas do not fit them.
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


@dataclass(frozen=True)
class CuratedModel:
    """A model of the Hub that is offered by name. ``context_tokens``: the longest row it reads.

    ``is_gated``: its owner must have granted access to the Hub account that downloads it.
    """

    hub_id: str
    label: str
    licence: str
    context_tokens: int
    is_gated: bool
    shape: ModelShape

    @property
    def parameters(self) -> int:
        """All weights, norms and biases left out (below 0.1 %)."""
        return self.shape.parameters


def _shape(sizes: tuple[int, int, int, int, int, int, int], **more: bool) -> ModelShape:
    """Return a shape from hidden, MLP, layers, heads, key/value heads, head size, vocabulary."""
    return ModelShape(*sizes, is_tied=more.get("tied", False), is_fused=more.get("fused", False))


APACHE, MIT, GEMMA = "Apache 2.0", "MIT", "Gemma licence"
CURATED: tuple[CuratedModel, ...] = (
    CuratedModel(
        "Qwen/Qwen2.5-0.5B-Instruct",
        "Qwen2.5 0.5B Instruct",
        APACHE,
        32_768,
        is_gated=False,
        shape=_shape((896, 4864, 24, 14, 2, 64, 151_936), tied=True),
    ),
    CuratedModel(
        "meta-llama/Llama-3.2-1B-Instruct",
        "Llama 3.2 1B Instruct",
        "Llama 3.2 licence",
        131_072,
        is_gated=True,
        shape=_shape((2048, 8192, 16, 32, 8, 64, 128_256), tied=True),
    ),
    CuratedModel(
        "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        "SmolLM2 1.7B Instruct",
        APACHE,
        8192,
        is_gated=False,
        shape=_shape((2048, 8192, 24, 32, 32, 64, 49_152), tied=True),
    ),
    CuratedModel(
        "meta-llama/Llama-3.2-3B-Instruct",
        "Llama 3.2 3B Instruct",
        "Llama 3.2 licence",
        131_072,
        is_gated=True,
        shape=_shape((3072, 8192, 28, 24, 8, 128, 128_256), tied=True),
    ),
    CuratedModel(
        "microsoft/Phi-4-mini-instruct",
        "Phi-4 mini Instruct",
        MIT,
        131_072,
        is_gated=False,
        shape=_shape((3072, 8192, 32, 24, 8, 128, 200_064), tied=True, fused=True),
    ),
    CuratedModel(
        "Qwen/Qwen3-4B",
        "Qwen3 4B",
        APACHE,
        40_960,
        is_gated=False,
        shape=_shape((2560, 9728, 36, 32, 8, 128, 151_936), tied=True),
    ),
    CuratedModel(
        "mistralai/Mistral-7B-Instruct-v0.3",
        "Mistral 7B Instruct v0.3",
        APACHE,
        32_768,
        is_gated=False,
        shape=_shape((4096, 14_336, 32, 32, 8, 128, 32_768)),
    ),
    CuratedModel(
        "Qwen/Qwen2.5-7B-Instruct",
        "Qwen2.5 7B Instruct",
        APACHE,
        32_768,
        is_gated=False,
        shape=_shape((3584, 18_944, 28, 28, 4, 128, 152_064)),
    ),
    CuratedModel(
        "meta-llama/Llama-3.1-8B-Instruct",
        "Llama 3.1 8B Instruct",
        "Llama 3.1 licence",
        131_072,
        is_gated=True,
        shape=_shape((4096, 14_336, 32, 32, 8, 128, 128_256)),
    ),
    CuratedModel(
        "Qwen/Qwen3-8B",
        "Qwen3 8B",
        APACHE,
        40_960,
        is_gated=False,
        shape=_shape((4096, 12_288, 36, 32, 8, 128, 151_936)),
    ),
    CuratedModel(
        "google/gemma-2-9b-it",
        "Gemma 2 9B Instruct",
        GEMMA,
        8192,
        is_gated=True,
        shape=_shape((3584, 14_336, 42, 16, 8, 256, 256_000), tied=True),
    ),
    CuratedModel(
        "microsoft/phi-4",
        "Phi-4 14B",
        MIT,
        16_384,
        is_gated=False,
        shape=_shape((5120, 17_920, 40, 40, 10, 128, 100_352), fused=True),
    ),
    CuratedModel(
        "Qwen/Qwen3-32B",
        "Qwen3 32B",
        APACHE,
        40_960,
        is_gated=False,
        shape=_shape((5120, 25_600, 64, 64, 8, 128, 151_936)),
    ),
    CuratedModel(
        "meta-llama/Llama-3.3-70B-Instruct",
        "Llama 3.3 70B Instruct",
        "Llama 3.3 licence",
        131_072,
        is_gated=True,
        shape=_shape((8192, 28_672, 80, 64, 8, 128, 128_256)),
    ),
)
_BY_ID = {model.hub_id.lower(): model for model in CURATED}


def curated(base_model: str) -> CuratedModel | None:
    """Return the curated model of this Hub id, None for any other."""
    return _BY_ID.get(base_model.lower())


def may_be_gated(base_model: str) -> bool:
    """Whether the Hub may ask who downloads a model: of unknown ones nobody can say."""
    if base_model.startswith(base_models.LOCAL):
        return False
    known = curated(base_model)
    return known is None or known.is_gated


def shape_of(base_model: str) -> ModelShape | None:
    """Return a model's sizes, None where they are not known: a Hub id that is not curated."""
    known = curated(base_model)
    if known is not None:
        return known.shape
    config = _local_config(base_model)
    return shape_from_config(config) if config is not None else None


def context_of(base_model: str) -> int | None:
    """Return the longest row a model reads, in tokens; None where it is not known."""
    known = curated(base_model)
    if known is not None:
        return known.context_tokens
    config = _local_config(base_model) or {}
    return _size(config, "max_position_embeddings")


def shape_from_config(config: Mapping[str, Any]) -> ModelShape | None:
    """Return the sizes that a config.json states; None if it states too few, or has experts."""
    if any(config.get(name) for name in EXPERTS):
        return None
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    hidden, mlp, layers, heads = (_size(config, name) for name in names)
    vocabulary = _size(config, "vocab_size")
    if not (hidden and mlp and layers and heads and vocabulary):
        return None
    kind = config.get("model_type")
    return ModelShape(
        hidden=hidden,
        mlp=mlp,
        layers=layers,
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads") or heads,
        head_size=_size(config, "head_dim") or max(1, hidden // heads),
        vocabulary=vocabulary,
        is_tied=config.get("tie_word_embeddings", kind in TIED_BY_DEFAULT) is True,
        is_fused=kind in FUSED,
    )


def _size(config: Mapping[str, Any], name: str) -> int | None:
    value = config.get(name)
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9
    return value if fine else None


def _local_config(base_model: str) -> Mapping[str, Any] | None:
    try:
        folder = base_models.local_folder(base_model)
    except InvalidInputError:
        return None
    if folder is None:
        return None
    path = folder / "config.json"
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, _changed_at: int) -> Mapping[str, Any] | None:
    """Return what the file says; kept until the file changes."""
    if path.stat().st_size > LARGEST_CONFIG_BYTES:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
