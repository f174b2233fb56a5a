"""The model card: what the Hub reads at its head, and what people read below."""

from decimal import Decimal
from typing import Any

import pytest

from deployments.exports.model_card import CardFacts, card, plain


def facts(**changes: Any) -> CardFacts:
    values: dict[str, Any] = {
        "name": "Support answers v3",
        "base_model": "Qwen/Qwen2.5-7B-Instruct",
        "is_on_hub": True,
        "revision": "c0ffee",
        "licence": "Apache 2.0",
        "method": "sft",
        "dataset_sha256": "ab" * 32,
        "rows": 1000,
        "eval_rows": 100,
        "eval_is_apart": False,
        "settings": {"lora_r": 16, "target_modules": ["q_proj", "v_proj"], "max_steps": None},
        "steps": 168,
        "train_loss": 1.25,
        "eval_losses": (2.5, 1.5, 1.625),
        "cost_usd": Decimal("0.87"),
        "machine_hours": 0.675,
        "hardware": ("1x A10 (24 GB) at Lambda, 1.29 USD an hour",),
        "versions": {"peft": "0.21.2"},
    }
    return CardFacts(**(values | changes))


def front(text: str) -> list[str]:
    """Return the lines of the front matter."""
    opening, matter, _ = text.split("---\n", 2)
    assert opening == ""
    return matter.splitlines()


def test_the_front_matter_is_what_the_hub_expects_of_an_adapter() -> None:
    assert front(card(facts())) == [
        'base_model: "Qwen/Qwen2.5-7B-Instruct"',
        "base_model_relation: adapter",
        "license: apache-2.0",
        "library_name: peft",
        "pipeline_tag: text-generation",
        "tags:",
        "- slipway",
        "- lora",
        "- trl",
        "- sft",
    ]


def test_a_merged_model_needs_no_peft() -> None:
    text = card(facts(), what="merged")

    assert "library_name: transformers" in front(text)
    assert "base_model_relation: finetune" in front(text)
    assert "AutoPeftModelForCausalLM" not in text


def test_a_base_model_that_only_the_server_has_and_an_unknown_licence_are_not_claimed() -> None:
    text = card(facts(base_model="local:slipway-sample", is_on_hub=False, licence="", revision=""))

    assert not any(line.startswith(("base_model", "license")) for line in front(text))
    assert "kept on the server that trained it, not on the Hub" in text
    assert "see the base model's own page" in text
    assert "Revision" not in text


@pytest.mark.parametrize(
    "told",
    [
        "- Model: Qwen/Qwen2.5-7B-Instruct\n- Revision: `c0ffee`\n- Licence: Apache 2.0; it binds",
        "1000 rows: 900 to train on, 100 held back",
        f"`{'ab' * 32}`",
        "- Steps: 168\n- Training loss, last: 1.2500\n",
        "- Evaluation loss: 2.5000 first, 1.5000 lowest, 1.6250 last\n",
        '| max_steps | `null` |\n| target_modules | `["q_proj", "v_proj"]` |\n',
        "- Cost: 0.87 USD\n- Machine hours, from the launch to its proven end: 0.68\n",
        "- Hardware: 1x A10 \\(24 GB\\) at Lambda, 1.29 USD an hour\n- peft: 0.21.2\n",
    ],
)
def test_it_tells_what_went_in_what_came_out_and_what_it_took(told: str) -> None:
    assert told in card(facts())


def test_rows_of_a_data_set_of_their_own_take_none_from_the_training() -> None:
    assert "1000 rows to train on; 100 of a data set of their own" in card(
        facts(eval_is_apart=True)
    )


def test_a_run_without_evaluation_says_so() -> None:
    text = card(facts(eval_losses=None, train_loss=None, steps=None))

    assert "## Results\n\n- It was not evaluated.\n" in text


def test_a_name_cannot_become_markup_or_front_matter() -> None:
    name = 'x\n---\nlicense: mit\n# <script>[a](b)"'

    text = card(facts(name=name, base_model=name))

    assert front(text)[0].startswith('base_model: "x\\n---\\nlicense')
    assert f"# {plain(name)}\n" in text
    assert "<script>" not in text.split("---\n", 2)[2].replace("\\<script\\>", "")
