"""The base model as training takes it: padding and packing, in the trainer's own Python."""

import json
import os
import subprocess
import textwrap
from typing import Any

import pytest

from deployments.training.job_file import PAYLOAD
from tests.trainer import sample_model, trainer_python


def answer_of(script: str, *arguments: object) -> Any:
    """Run a script beside the payload's modules and return what it printed last, as JSON."""
    done = subprocess.run(  # noqa: S603
        [trainer_python(), "-c", textwrap.dedent(script), *map(str, arguments)],
        cwd=PAYLOAD,
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(PAYLOAD),
            "HF_HUB_OFFLINE": "1",
            "SLIPWAY_CPU": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.full
def test_without_a_padding_token_the_end_of_a_text_is_still_learnt() -> None:
    """Trap 7.7: a spare token pads where there is one; else labels are masked by position."""
    script = """
        import json, sys
        import train_model
        from transformers import AutoTokenizer
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
        from trl.experimental.utils import DPODataCollatorWithPadding

        spare = AutoTokenizer.from_pretrained(sys.argv[1])
        spare.pad_token = None
        spare.add_tokens(["<|pad|>"])
        train_model.choose_pad_token(spare)
        none = AutoTokenizer.from_pretrained(sys.argv[1])
        none.pad_token = None
        train_model.PAD_TOKENS = ()
        train_model.choose_pad_token(none)
        end = none.eos_token_id
        rows = [{"input_ids": ids, "labels": ids} for ids in ([5, 6, 7, end], [5, end])]
        sft = DataCollatorForLanguageModeling(pad_token_id=none.pad_token_id)(rows)
        pairs = [
            {"chosen_input_ids": ids, "chosen_attention_mask": [1] * len(ids), "chosen_labels": ids}
            for ids in ([5, 6, 7, end], [5, end])
        ]
        orpo = DPODataCollatorWithPadding(pad_token_id=none.pad_token_id)(pairs)
        print(json.dumps({
            "spare": spare.pad_token,
            "none_is_end": none.pad_token == none.eos_token,
            "sft": sft["labels"].tolist(), "orpo": orpo["chosen_labels"].tolist(), "end": end,
        }))
    """

    found = answer_of(script, sample_model())

    end = found["end"]
    assert found["spare"] == "<|pad|>"
    assert found["none_is_end"] is True
    for labels in (found["sft"], found["orpo"]):
        assert labels == [[5, 6, 7, end], [5, end, -100, -100]]


@pytest.mark.full
def test_packing_is_refused_where_a_row_would_see_the_one_before_it() -> None:
    """Trap 7.8: shown on a model that takes no notice of where a row begins."""
    script = """
        import json, sys
        import torch
        import train_model
        from agent_failures import RunFailedError
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
        train_model.check_packing(model, {})
        right = model.forward

        def forgets(**given):
            given.pop("position_ids", None)
            return right(**given)

        model.forward = forgets
        try:
            train_model.check_packing(model, {})
            told = ""
        except RunFailedError as error:
            told = f"{error.code} {error.message} {error.remedy}"
        print(json.dumps(told))
    """

    told = answer_of(script, sample_model())

    assert told.startswith("E_CONFIG packing is true, but this base model would let packed rows")
    assert told.endswith("Set packing to false.")


@pytest.mark.full
def test_packed_rows_lose_what_they_lose_one_by_one() -> None:
    """Trap 7.8: with TRL's own packing and collator, token by token."""
    script = """
        import json, sys
        import torch
        from transformers import AutoModelForCausalLM
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

        model = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
        rows = [[(7 * n + m) % 500 + 5 for m in range(n)] for n in (21, 8, 13)]
        collator = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
        ids = sum(rows, [])
        packed = collator([{"input_ids": ids, "labels": ids, "seq_lengths": [21, 8, 13]}])
        def losses(logits, labels):
            return torch.nn.functional.cross_entropy(
                logits[0, :-1], labels[0, 1:], reduction="none", ignore_index=-100
            )
        with torch.no_grad():
            labels = packed.pop("labels")
            # As SFTTrainer does: with a cache rows would see one another.
            together = losses(model(**packed, use_cache=False).logits, labels)
            alone = [losses(model(input_ids=torch.tensor([row])).logits, torch.tensor([row]))
                     for row in rows]
        together = together[labels[0, 1:] != -100]
        print(json.dumps({"apart": float((together - torch.cat(alone)).abs().max()),
                          "tokens": len(together)}))
    """

    found = answer_of(script, sample_model())

    assert found["tokens"] == 21 + 8 + 13 - 3
    assert found["apart"] < 1e-4


@pytest.mark.full
def test_the_arguments_that_spread_a_model_over_cards_are_names_the_trainer_knows() -> None:
    """No more than that: without GPUs Trainer falls back to DDP (training-stack.md section 6)."""
    script = """
        import json, os
        os.environ["WORLD_SIZE"] = "8"
        import train_processes
        from transformers import TrainingArguments
        given = train_processes.sharing({"sharding": "fsdp2"})
        alone = train_processes.sharing({"sharding": ""})
        del os.environ["WORLD_SIZE"]
        args = TrainingArguments("out", use_cpu=True, **given)
        print(json.dumps({"alone": alone, "known": bool(args.fsdp), "config": args.fsdp_config}))
    """

    found = answer_of(script)

    assert found["alone"] == {}
    assert found["known"] is True
    assert found["config"]["version"] == 2
    assert found["config"]["auto_wrap_policy"] == "TRANSFORMER_BASED_WRAP"
