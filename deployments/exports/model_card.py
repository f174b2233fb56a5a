"""The model card of an adapter: README.md with the front matter that the Hub reads. Pure.

Front matter: ``base_model``, ``license``, ``library_name``, ``pipeline_tag`` and ``tags`` as in the
Hub's documentation of model cards. It names the data by its hash and its row counts, never a row.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.template.loader import render_to_string

FILE_NAME = "README.md"
ADAPTER, MERGED = "adapter", "merged"
# What the catalogue's licences are called on the Hub.
HUB_LICENCES = {
    "Apache 2.0": "apache-2.0",
    "MIT": "mit",
    "Gemma licence": "gemma",
    "Llama 3.1 licence": "llama3.1",
    "Llama 3.2 licence": "llama3.2",
    "Llama 3.3 licence": "llama3.3",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&])")


@dataclass(frozen=True)
class CardFacts:
    """What the card tells. ``revision``, ``licence``: "" where not known.

    ``eval_is_apart``: the rows it was measured with are a data set of their own. ``eval_losses``
    are the first, the lowest and the last; ``cost_usd`` is final. ``hardware`` has a line for each
    machine, ``settings`` and ``versions`` go by name.
    """

    name: str
    base_model: str
    is_on_hub: bool
    revision: str
    licence: str
    method: str
    dataset_sha256: str
    rows: int
    eval_rows: int
    eval_is_apart: bool
    settings: Mapping[str, object]
    steps: int | None
    train_loss: float | None
    eval_losses: tuple[float, float, float] | None
    cost_usd: Decimal
    machine_hours: float
    hardware: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def train_rows(self) -> int:
        """The rows that were trained on."""
        return self.rows if self.eval_is_apart else self.rows - self.eval_rows


def card(facts: CardFacts, *, what: str = ADAPTER) -> str:
    """Return README.md for the adapter, or for the merged model; the same text each time."""
    context = {
        "facts": facts,
        "what": what,
        "front": front_matter(facts, what=what),
        "name": plain(facts.name),
        "base_model": plain(facts.base_model),
        "settings": {name: json.dumps(value) for name, value in sorted(facts.settings.items())},
        "hours": f"{facts.machine_hours:.2f}",
        "hardware": [plain(line) for line in facts.hardware],
    }
    text = render_to_string("exports/model_card.md", context)
    # Conditions leave empty lines behind.
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def front_matter(facts: CardFacts, *, what: str) -> str:
    """Return the YAML between the card's dashes. JSON's strings are YAML's: no name breaks out."""
    lines = []
    if facts.is_on_hub:
        relation = "adapter" if what == ADAPTER else "finetune"
        lines += [
            f"base_model: {json.dumps(facts.base_model)}",
            f"base_model_relation: {relation}",
        ]
    if facts.licence in HUB_LICENCES:
        lines.append(f"license: {HUB_LICENCES[facts.licence]}")
    lines += [
        f"library_name: {'peft' if what == ADAPTER else 'transformers'}",
        "pipeline_tag: text-generation",
        "tags:",
        *(f"- {tag}" for tag in ("slipway", "lora", "trl", facts.method)),
    ]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is: no marks, no line of its own."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
