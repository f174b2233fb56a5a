"""What our payload costs in throughput: train.py beside a bare TRL script with the same arguments.

Both train the sample model on the CPU, evaluations and checkpoints included. Compared are tokens
per second of processor time, which another job on the machine does not change; the best of a few
turns each.
"""

import json
import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from deployments import recipes
from deployments.training.job_file import PAYLOAD_FILES
from tests.deployments.training.runs import make_job
from tests.trainer import sample_data, sample_model, trainer_python

TURNS = 3
LEAST = 0.98
SETTINGS = {
    "max_steps": 60,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
    "learning_rate": 2e-3,
    "warmup_ratio": 0.0,
    "save_steps": 20,
}
# Around the one call that trains, whoever makes it.
TIMED = """
    import time, transformers

    trained = transformers.Trainer.train

    def timed(self, *given, **named):
        begun, begun_wall = time.process_time(), time.perf_counter()
        result = trained(self, *given, **named)
        took = time.process_time() - begun
        print("TOOK", took, time.perf_counter() - begun_wall, self._total_train_tokens, flush=True)
        return result

    transformers.Trainer.train = timed
"""
OURS = "import train; train.main()"
BARE = """
    import json, datasets
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = [json.loads(line) for line in open("data/dataset.jsonl")]
    held_back = set(json.load(open("job.json"))["dataset"]["eval_rows"])
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained("base_model", dtype="float32"),
        args=SFTConfig(
            output_dir="bare", max_steps=60, per_device_train_batch_size=8,
            per_device_eval_batch_size=8, learning_rate=2e-3, lr_scheduler_type="cosine",
            warmup_steps=0.0, max_length=256, assistant_only_loss=True, seed=42, logging_steps=1,
            eval_strategy="steps", eval_steps=20, eval_on_start=True, save_strategy="steps",
            save_steps=20, save_total_limit=2, report_to="none", disable_tqdm=True, use_cpu=True,
            bf16=False, gradient_checkpointing=False,
        ),
        train_dataset=datasets.Dataset.from_list(
            [row for number, row in enumerate(rows) if number not in held_back]
        ),
        eval_dataset=datasets.Dataset.from_list([rows[number] for number in sorted(held_back)]),
        processing_class=AutoTokenizer.from_pretrained("base_model"),
        peft_config=LoraConfig(
            r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
"""


def run_folder(folder: Path) -> Path:
    for name, path, _ in PAYLOAD_FILES:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / name)
    for name in ("data", "output", "control"):
        (folder / name).mkdir()
    shutil.copytree(sample_model(), folder / "base_model")
    lines = (sample_data() / "chat.jsonl").read_text().splitlines(keepends=True)[:500]
    (folder / "data" / "dataset.jsonl").write_text("".join(lines))
    job = make_job()
    job["recipe"]["hyperparameters"] = recipes.defaults_of("sft") | SETTINGS
    job["recipe"]["eval"] = {"share": 0.1, "steps": 20, "samples": 0}
    job["dataset"]["eval_rows"] = list(range(40))
    (folder / "job.json").write_text(json.dumps(job))
    return folder


def tokens_per_second(folder: Path, script: str) -> tuple[float, float]:
    """Return the tokens a second of processor time, and of the clock."""
    done = subprocess.run(  # noqa: S603
        [trainer_python(), "-c", textwrap.dedent(TIMED) + textwrap.dedent(script)],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "SLIPWAY_CPU": "1",
            "OMP_NUM_THREADS": "1",
            "TRL_EXPERIMENTAL_SILENCE": "1",
        },
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("TOOK"))
    processor, clock, tokens = map(float, line.split()[1:])
    return tokens / processor, tokens / clock


@pytest.mark.bench
def test_the_payload_trains_as_fast_as_a_bare_trl_script(tmp_path: Path) -> None:
    ours, bare = [], []
    for turn in range(TURNS):
        ours.append(tokens_per_second(run_folder(tmp_path / f"ours-{turn}"), OURS))
        bare.append(tokens_per_second(run_folder(tmp_path / f"bare-{turn}"), BARE))

    ratio, by_clock = (max(o) / max(b) for o, b in zip(zip(*ours), zip(*bare), strict=True))  # noqa: B905
    fastest = max(speed for speed, _ in ours)
    print(f"\npayload over bare TRL: {ratio:.3f} by processor time, {by_clock:.3f} by the clock")
    print(f"payload: {fastest:,.0f} tokens a second of one core")
    assert ratio >= LEAST
