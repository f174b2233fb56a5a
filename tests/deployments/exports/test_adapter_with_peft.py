"""The adapter of a real run, as PEFT and other loaders expect it: short names, no pickles."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.deployments.training.runs import training_machine
from tests.trainer import sample_model, trainer_python

MERGE = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base, adapter, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(adapter)
ids = tokenizer.apply_chat_template(
    [{"role": "user", "content": "What is 12 + 30?"}], return_tensors="pt"
)["input_ids"]
def answer(model):
    with torch.no_grad():
        return model(input_ids=ids).logits
plain = AutoModelForCausalLM.from_pretrained(base).eval()
before = answer(plain)
tuned = PeftModel.from_pretrained(plain, adapter).eval()
with_adapter = answer(tuned)
tuned.merge_and_unload().save_pretrained(out)
merged = answer(AutoModelForCausalLM.from_pretrained(out).eval())
print(json.dumps({
    "learnt": (with_adapter - before).abs().max().item(),
    "rounding": (merged - with_adapter).abs().max().item(),
}))
"""


@pytest.mark.full
def test_peft_loads_the_adapter_and_merges_it_within_rounding(tmp_path: Path) -> None:
    with training_machine(tmp_path / "home", rows=60) as run:
        recipe = run.job["recipe"]
        settings = recipe["hyperparameters"] | {"max_steps": 4, "learning_rate": 2e-2}
        run.job["recipe"] = recipe | {
            "hyperparameters": settings,
            "eval": {"share": 0, "steps": None},
        }
        assert run.result()["outcome"] == "completed", run.events("error")
        adapter = run.folder / "output" / "adapter"
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))

        done = subprocess.run(  # noqa: S603
            [trainer_python(), "-c", MERGE, sample_model(), adapter, tmp_path / "merged"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )

        assert sorted(config["target_modules"]) == [
            "down_proj",
            "gate_proj",
            "k_proj",
            "o_proj",
            "q_proj",
            "up_proj",
            "v_proj",
        ]
        names = {path.name for path in adapter.iterdir()}
        assert {"chat_template.jinja", "tokenizer.json", "tokenizer_config.json"} < names
        assert not any(name.endswith((".bin", ".pt", ".pth", ".pkl")) for name in names)
    difference = json.loads(done.stdout.splitlines()[-1])
    assert difference["learnt"] > 0.1
    assert difference["rounding"] < 1e-4
