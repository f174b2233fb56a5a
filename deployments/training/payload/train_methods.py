"""What each method is in TRL: its trainer, its configuration, and the arguments only it has.

Names as in TRL 1.16 (training-stack.md section 2 and 3).
"""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, NamedTuple

from payload_events import say


class Method(NamedTuple):
    """A method's classes, and its own arguments for the configuration."""

    trainer: Any
    configuration: Any
    arguments: Mapping[str, Any]


def sft(settings: Mapping[str, Any], *, form: str) -> Method:
    """Return supervised fine-tuning; says what the loss is taken of, for a flag may not apply."""
    from trl import SFTConfig, SFTTrainer

    assistant_only = form == "chat" and settings["assistant_only_loss"]
    completion_only = form == "prompt_completion" and settings["completion_only_loss"]
    learnt = "every token"
    if assistant_only:
        learnt = "what the assistant says"
    elif completion_only:
        learnt = "the completions"
    say("info", f"The loss is taken of {learnt}.")
    return Method(
        SFTTrainer,
        SFTConfig,
        {
            "assistant_only_loss": assistant_only,
            # None leaves it to TRL, which would take the completions alone.
            "completion_only_loss": completion_only,
            "packing": settings["packing"],
            # Measured row by row whatever is packed, so that losses can be compared.
            "eval_packing": False,
        },
    )


def dpo(settings: Mapping[str, Any], *, form: str) -> Method:
    """Return direct preference optimisation; the model without its adapter is the reference."""
    from trl import DPOConfig, DPOTrainer

    return Method(DPOTrainer, DPOConfig, _of_pairs(settings))


def orpo(settings: Mapping[str, Any], *, form: str) -> Method:
    """Return odds ratio preference optimisation, which counts its tokens as the others do."""
    # It warns on import that it may move in any release; the pins are exact.
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    class CountingORPOTrainer(ORPOTrainer):  # type: ignore[misc]
        """TRL's, with the tokens trained on told under the name that its other trainers use."""

        trained_tokens = 0.0

        def compute_loss(self, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
            masks = (inputs[f"{side}_attention_mask"].sum() for side in ("chosen", "rejected"))
            counted = self.accelerator.gather(sum(masks).to(self.args.device))
            self.trained_tokens += float(counted.sum())
            return super().compute_loss(model, inputs, *rest, **more)

        def log(self, logs: dict[str, float], *rest: Any, **more: Any) -> None:
            if "loss" in logs:
                logs["num_tokens"] = self.trained_tokens
            super().log(logs, *rest, **more)

    # Its collator needs every column (trl/experimental/orpo/orpo_trainer.py).
    return Method(
        CountingORPOTrainer, ORPOConfig, {**_of_pairs(settings), "remove_unused_columns": False}
    )


def _of_pairs(settings: Mapping[str, Any]) -> dict[str, Any]:
    # By default TRL sets every dropout to 0, the adapter's too, whatever lora_dropout says.
    return {"beta": settings["beta"], "disable_dropout": settings["lora_dropout"] == 0}


METHODS: Mapping[str, Callable[..., Method]] = {"sft": sft, "dpo": dpo, "orpo": orpo}
