"""Merge the adapter into its base model, as safetensors in shards: output/merged, whole or not.

Started by the agent after training. The base is read as it is kept, in 16 or 32 bit: an adapter of
QLoRA is merged into that, never into the 4-bit copy it was trained on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import adapter_files
from payload_events import run_and_classify

FOLDER = Path(__file__).resolve().parent
OUTPUT = FOLDER / "output"
SHARD = "2GB"
# A card must hold the model and one layer's sum beside it.
ROOM_FACTOR = 1.2


def main() -> int:
    job = json.loads((FOLDER / "job.json").read_text(encoding="utf-8"))
    return run_and_classify(merge, job=job)


def merge() -> int:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = os.environ.get("SLIPWAY_MODEL_PATH", "base_model")
    adapter, part = OUTPUT / "adapter", OUTPUT / "merged.part"
    shutil.rmtree(part, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype="auto", use_safetensors=True, trust_remote_code=False
    ).to(place(base))
    # Refuses a sum that is no number.
    whole = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True)
    whole.save_pretrained(str(part), max_shard_size=SHARD)
    AutoTokenizer.from_pretrained(str(adapter), trust_remote_code=False).save_pretrained(str(part))
    clean(part)
    adapter_files.put_in_place(part, OUTPUT / "merged")
    return 0


def place(base: str) -> str:
    """Return where to add up: on the card if the model fits there, else in memory."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    size = sum(path.stat().st_size for path in Path(base).glob("*.safetensors"))
    free, _ = torch.cuda.mem_get_info()
    return "cuda" if free > size * ROOM_FACTOR else "cpu"


def clean(folder: Path) -> None:
    """Take out what names a path of this machine."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
