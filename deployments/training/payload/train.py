"""Fine-tune one model with LoRA as job.json says: TRL's SFTTrainer, and nothing kept to itself.

Started by the agent in the run folder, on the pinned TRL 1.16 (or 1.14.2 where Python is 3.10).
Data: data/dataset.jsonl. Result: output/adapter, there only when it is whole and its weights are
finite. Exit status: agent_failures.EXIT_CODES, or STOPPED when a stop was asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import adapter_files
import checkpoint_files
import train_adapter
import train_checks
from agent_failures import STOPPED, RunFailedError, failure
from payload_events import run_and_classify, say

FOLDER = Path(__file__).resolve().parent
OUTPUT = FOLDER / "output"
CONTROL = FOLDER / "control"


def main() -> int:
    job = json.loads((FOLDER / "job.json").read_text(encoding="utf-8"))
    return run_and_classify(lambda: train(job), job=job)


def train(job) -> int:
    settings = train_checks.hyperparameters(job)
    rows = train_checks.read_rows(FOLDER / "data" / "dataset.jsonl", form=job["dataset"]["format"])
    train_rows, eval_rows = train_checks.split_rows(
        rows, share=job["recipe"]["eval"]["share"], seed=settings["seed"]
    )
    say("info", f"{len(train_rows)} rows to train on, {len(eval_rows)} to evaluate with.")
    # From here on imports take seconds and memory.
    import train_samples

    trainer, callback = make_trainer(job, settings, train_rows, eval_rows)
    check_what_is_left(trainer, settings, train_rows, eval_rows)
    train_samples.add(trainer, eval_rows, job=job, control=CONTROL)
    if CONTROL.joinpath("stop").exists():
        return STOPPED
    stopped = run(trainer, callback)
    if trainer.state.global_step > 0:
        save_adapter(trainer, callback)
    if hasattr(trainer, "end"):
        trainer.end()
    return STOPPED if stopped else 0


def make_trainer(job, settings, train_rows, eval_rows):
    import transformers
    from transformers import AutoTokenizer
    from trl import SFTTrainer

    import datasets
    from train_callbacks import RunCallback

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    path = os.environ.get("SLIPWAY_MODEL_PATH", "base_model")
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    assistant_only = job["dataset"]["format"] == "chat" and settings["assistant_only_loss"]
    check_template(tokenizer, chat=job["dataset"]["format"] == "chat", marked=assistant_only)
    precision = choose_precision()
    model = load_model(path, dtype=precision.pop("dtype"))
    model, lora = train_adapter.with_lora(model, settings, job=job, run=FOLDER)
    callback = RunCallback(
        job=job,
        output=OUTPUT,
        control=CONTROL,
        base_model=job["base_model"]["id"],
        revision=os.environ.get("SLIPWAY_MODEL_REVISION") or None,
        watch_gradients=not precision["fp16"],
    )
    trainer = SFTTrainer(
        model=model,
        args=make_arguments(
            job,
            settings,
            precision=precision,
            rows=len(train_rows),
            evaluate=bool(eval_rows),
            assistant_only=assistant_only,
            max_length=fitting_length(settings["max_length"], model),
        ),
        train_dataset=datasets.Dataset.from_list(train_rows),
        eval_dataset=datasets.Dataset.from_list(eval_rows) if eval_rows else None,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[callback],
    )
    # They print what the callback tells.
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.remove_callback(transformers.ProgressCallback)
    return trainer, callback


def make_arguments(job, settings, *, precision, rows, evaluate, assistant_only, max_length):
    """Return TRL's configuration; argument names as in TRL 1.16 and transformers 5.23."""
    from trl import SFTConfig

    total = train_checks.total_steps(rows, settings)
    every = train_checks.steps_between_evaluations(total, asked=job["recipe"]["eval"]["steps"])
    on_cpu = precision["use_cpu"]
    return SFTConfig(
        output_dir=str(OUTPUT / checkpoint_files.UNFINISHED),
        max_steps=settings["max_steps"] or -1,
        num_train_epochs=settings["num_train_epochs"],
        per_device_train_batch_size=settings["per_device_train_batch_size"],
        per_device_eval_batch_size=settings["per_device_train_batch_size"],
        gradient_accumulation_steps=settings["gradient_accumulation_steps"],
        learning_rate=settings["learning_rate"],
        lr_scheduler_type=settings["lr_scheduler_type"],
        # A fraction below 1 is a share of all steps; warmup_ratio is gone.
        warmup_steps=settings["warmup_ratio"],
        weight_decay=settings["weight_decay"],
        max_length=max_length,
        assistant_only_loss=assistant_only,
        gradient_checkpointing=settings["gradient_checkpointing"] and not on_cpu,
        seed=settings["seed"],
        logging_steps=train_checks.steps_between_logs(total, asked=settings["logging_steps"]),
        logging_first_step=True,
        # The default hides NaN behind 0.0 (training-stack.md section 7).
        logging_nan_inf_filter=False,
        eval_strategy="steps" if evaluate else "no",
        eval_steps=every,
        # The loss before any training: what all later ones are compared with.
        eval_on_start=evaluate and not adapter_files.checkpoints(OUTPUT),
        save_strategy="steps",
        save_steps=settings["save_steps"] or every,
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
        dataloader_pin_memory=not on_cpu,
        **precision,
    )


def choose_precision():
    """Return how to calculate: bf16 only where the card has it, since emulation is slow."""
    import torch

    if os.environ.get("SLIPWAY_CPU") == "1":
        return {"use_cpu": True, "bf16": False, "fp16": False, "dtype": torch.float32}
    if not torch.cuda.is_available():
        raise failure("E_CUDA", job={}, detail="torch finds no usable GPU.")
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return {"use_cpu": False, "bf16": True, "fp16": False, "dtype": torch.bfloat16}
    return {"use_cpu": False, "bf16": False, "fp16": True, "dtype": torch.float16}


def load_model(path, *, dtype):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, use_safetensors=True, trust_remote_code=False
    )


def fitting_length(asked, model):
    context = getattr(model.config, "max_position_embeddings", None) or asked
    if asked > context:
        say("warning", f"max_length is {asked}, but the model reads {context} tokens: using that.")
    return min(asked, context)


def check_template(tokenizer, *, chat, marked):
    """Refuse conversations that the base model has no way to read, or no way to mark answers in."""
    if chat and not tokenizer.chat_template:
        raise RunFailedError(
            "E_DATA",
            "The base model has no chat template, so it cannot be trained on conversations.",
            remedy="Choose the model's instruct version, or upload prompt/completion rows.",
        )
    if not marked:
        return
    from trl.chat_template_utils import get_training_chat_template

    try:
        get_training_chat_template(tokenizer)
    except ValueError:
        raise RunFailedError(
            "E_DATA",
            "The base model's chat template does not mark the assistant's part, so "
            "assistant_only_loss cannot know what to train on.",
            remedy="Set assistant_only_loss to false, upload prompt/completion rows, or choose "
            "another base model.",
        ) from None


def check_what_is_left(trainer, settings, train_rows, eval_rows):
    """Count the rows that lost everything trainable to max_length; refuse when all did."""
    length = trainer.args.max_length
    left = len(trainer.train_dataset)
    if left == 0:
        question, whole = row_lengths(trainer.processing_class, train_rows[:200])
        raise RunFailedError(
            "E_DATA",
            f"Within max_length {length}, none of the {len(train_rows)} rows keeps a token to "
            f"train on: the shortest question alone takes {question} tokens.",
            remedy=f"Raise max_length from {length} to {whole}, the longest row, or shorten the "
            "rows.",
        )
    if left < len(train_rows):
        say(
            "warning",
            f"{len(train_rows) - left} of {len(train_rows)} rows are left out: within max_length "
            f"{length} they keep no token to train on.",
        )
    cut = sum(len(ids) >= length for ids in trainer.train_dataset["input_ids"])
    if cut:
        say("warning", f"{cut} of {left} rows reach max_length {length}; what follows is cut off.")
    if eval_rows and len(trainer.eval_dataset) == 0:
        say("warning", "No row held back for evaluation fits max_length: training without.")
        trainer.args.eval_strategy = "no"
        trainer.args.eval_on_start = False
        trainer.eval_dataset = None


def row_lengths(tokenizer, rows):
    """Return the tokens of the shortest question and of the longest whole row."""
    questions, wholes = [], []
    for row in rows:
        if "prompt" in row:
            questions.append(len(tokenizer(row["prompt"])["input_ids"]))
            wholes.append(len(tokenizer(row["prompt"] + row["completion"])["input_ids"]) + 1)
            continue
        messages = row["messages"]
        first = next(i for i, message in enumerate(messages) if message["role"] == "assistant")
        wholes.append(len(tokenizer.apply_chat_template(messages)["input_ids"]))
        question = tokenizer.apply_chat_template(messages[:first], add_generation_prompt=True)
        questions.append(len(question["input_ids"]))
    return min(questions), max(wholes)


def run(trainer, callback) -> bool:
    """Train, from the last checkpoint if there is one; return whether a stop ended it early."""
    from train_callbacks import StopInEvaluationError

    found = last_checkpoint(callback.job)
    if found:
        say("info", f"Going on from {found.name}.")
    # A half-written one of an earlier try.
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)
    try:
        trainer.train(resume_from_checkpoint=str(found) if found else None)
        if callback.stop_file.exists() and trainer.state.global_step < trainer.state.max_steps:
            return True
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
    shutil.rmtree(part, ignore_errors=True)
    trainer.save_model(str(part))
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
