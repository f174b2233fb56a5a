"""The LoRA weights that are trained: fresh ones, or those of an earlier adapter to go on with.

The control plane brings an earlier adapter's two files into ``start_adapter`` and names them with
their sha256 in job.json (``recipe.adapter``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import adapter_files
from agent_failures import RunFailedError
from payload_events import say
from target_modules import short_names

FOLDER = "start_adapter"


def with_lora(model: Any, settings: Mapping[str, Any], *, job: Mapping[str, Any], run: Path) -> Any:
    """Return the model, and the LoRA configuration that the trainer is to add to it.

    Without the latter the model has its weights already. DPO measures against what it is given, so
    an adapter to go on with is its reference too (TRL 1.16, DPOTrainer).
    """
    from peft import LoraConfig, PeftConfig, PeftModel

    earlier = job["recipe"].get("adapter")
    if not earlier:
        return model, LoraConfig(
            r=settings["lora_r"],
            lora_alpha=settings["lora_alpha"],
            lora_dropout=settings["lora_dropout"],
            target_modules=short_names(model, settings["target_modules"]),
            task_type="CAUSAL_LM",
        )
    folder = run / FOLDER
    check(folder, earlier)
    config = PeftConfig.from_pretrained(str(folder))
    if (config.r, config.lora_alpha) != (settings["lora_r"], settings["lora_alpha"]):
        raise _unfit(
            f"It has lora_r {config.r} and lora_alpha {config.lora_alpha}, where this run has "
            f"{settings['lora_r']} and {settings['lora_alpha']}."
        )
    config.lora_dropout = settings["lora_dropout"]
    config.inference_mode = False
    # Where it lies here; under its own name peft would look for it on the Hub at each save.
    config.base_model_name_or_path, config.revision = model.name_or_path, None
    model = PeftModel.from_pretrained(model, str(folder), is_trainable=True, config=config)
    say("info", f"Starting from the adapter of {earlier.get('name') or 'an earlier run'}.")
    return model, None


def check(folder: Path, earlier: Mapping[str, Any]) -> None:
    """Raise RunFailedError unless the adapter's files are those that the job names."""
    try:
        whole = bool(earlier["files"]) and all(
            adapter_files.described(folder / file["name"], below=folder) == file
            for file in earlier["files"]
        )
        adapter_files.check(folder)
    except (OSError, RunFailedError):
        whole = False
    if not whole:
        raise _unfit("On the machine it is not what is kept at home.")


def _unfit(why: str) -> RunFailedError:
    return RunFailedError(
        "E_CHECKPOINT",
        f"The adapter to go on with cannot be used. {why}",
        remedy="Start the run again, or train without an earlier adapter.",
        retryable=False,
    )
