"""Which layers LoRA goes into, by their short names.

PEFT writes what "all-linear" means as full paths, which other loaders need not understand
(training-stack.md section 5): named before training, they stay short in adapter_config.json.
"""

from __future__ import annotations

from typing import Any

ALL_LINEAR = "all-linear"


def short_names(model: Any, asked: Any) -> Any:
    """Return the names of all linear layers but the head, such as q_proj; a list stays as it is.

    PEFT takes a short name for every layer that ends with it: where that would be other layers
    than PEFT's own "all-linear", that word stays.
    """
    if asked != ALL_LINEAR:
        return asked
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    layers = dict(model.named_modules())
    head = model.get_output_embeddings()
    linear = {
        name
        for name, layer in layers.items()
        if isinstance(layer, (nn.Linear, Conv1D)) and layer is not head
    }
    names = {_last(name) for name in linear}
    meant = {name for name in layers if _last(name) in names}
    return sorted(names) if meant == linear else ALL_LINEAR


def _last(name: str) -> str:
    return name.rpartition(".")[2]
