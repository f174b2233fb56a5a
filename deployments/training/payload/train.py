"""Fine-tune one model with LoRA as job.json says, by SFT, DPO or ORPO; nothing is kept to itself.

Started by the agent in the run folder, once for each card, on the pinned TRL 1.16 (or 1.14.2 where
Python is 3.10). Data: data/dataset.jsonl. Result: output/adapter, there only when it is whole and
its weights are finite. Exit status: agent_failures.EXIT_CODES, or STOPPED when a stop was asked
for.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import adapter_files
import checkpoint_files
import train_checks
import train_processes
from agent_failures import STOPPED, RunFailedError, failure
from payload_events import run_and_classify, say, tell

FOLDER = Path(__file__).resolve().parent
OUTPUT = FOLDER / "output"
CONTROL = FOLDER / "control"


def main() -> int:
    job = json.loads((FOLDER / "job.json").read_text(encoding="utf-8"))
    status = run_and_classify(lambda: train(job), job=job)
    # torchrun answers 1 whatever its processes answer.
    tell("ended", status=status)
    return status


def train(job) -> int:
    settings = train_checks.hyperparameters(job)
    rows = train_checks.read_rows(FOLDER / "data" / "dataset.jsonl", form=job["dataset"]["format"])
    train_rows, eval_rows = train_checks.divided(rows, job, folder=FOLDER)
    say("info", f"{len(train_rows)} rows to train on, {len(eval_rows)} to evaluate with.")
    train_checks.mind_pairs(rows)
    # From here on imports take seconds and memory.
    import train_left
    import train_samples
    import train_setup

    trainer, callback = train_setup.make_trainer(
        job, settings, train_rows, eval_rows, folder=FOLDER
    )
    train_left.check(trainer, settings, train_rows, eval_rows, method=job["recipe"]["method"])
    train_setup.set_cadence(trainer, job, settings)
    train_samples.add(trainer, eval_rows, job=job, control=CONTROL)
    if train_processes.agree(CONTROL.joinpath("stop").exists())[0]:
        return STOPPED
    stopped = run(trainer, callback)
    if trainer.state.global_step > 0:
        save_adapter(trainer, callback)
    if hasattr(trainer, "end"):
        trainer.end()
    return STOPPED if stopped else 0


def run(trainer, callback) -> bool:
    """Train, from the last checkpoint if there is one; return whether a stop ended it early."""
    from train_callbacks import StopInEvaluationError

    found = last_checkpoint(callback.job)
    if found:
        say("info", f"Going on from {found.name}.")
    if train_processes.is_first():
        # A half-written one of an earlier try.
        shutil.rmtree(trainer.args.output_dir, ignore_errors=True)
    train_processes.wait_for_all()
    try:
        trainer.train(resume_from_checkpoint=str(found) if found else None)
        if callback.was_stopped and trainer.state.global_step < trainer.state.max_steps:
            return True
        callback.tell_best(trainer.state)
        wanted = trainer.args.eval_strategy != "no"
        if wanted and callback.evaluated_at != trainer.state.global_step:
            trainer.evaluate()
    except StopInEvaluationError:
        return trainer.state.global_step < trainer.state.max_steps
    return False


def last_checkpoint(job):
    """Return the newest whole checkpoint, None if there is none and the job names none either."""
    whole = filter(checkpoint_files.is_whole, adapter_files.checkpoints(OUTPUT))
    found = next(whole, None)
    if found is None and job.get("resume_from"):
        raise RunFailedError(
            "E_CHECKPOINT",
            f"{job['resume_from']} was to be gone on from, and is not whole on the machine.",
            remedy="Start the run again, or go on from another checkpoint.",
            retryable=True,
        )
    return found


def save_adapter(trainer, callback) -> None:
    """Save the adapter to another name, check it, and only then call it output/adapter (F59)."""
    import torch
    from safetensors.torch import load_file

    part = OUTPUT / "adapter.part"
    if train_processes.is_first():
        shutil.rmtree(part, ignore_errors=True)
    train_processes.wait_for_all()
    trainer.save_model(str(part))
    if not train_processes.is_first():
        return
    adapter_files.clean(part, base_model=callback.base_model, revision=callback.revision)
    tensors = load_file(part / adapter_files.WEIGHTS)
    if not tensors:
        raise RunFailedError(
            "E_NO_ADAPTER", "Training ended, but the adapter holds no weights.", remedy=""
        )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        shutil.rmtree(part)
        raise failure("E_NAN", job=callback.job, detail="The adapter's weights are not finite.")
    adapter_files.put_in_place(part, OUTPUT / "adapter")


if __name__ == "__main__":
    sys.exit(main())
