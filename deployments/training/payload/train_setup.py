"""The trainer of a run: model, adapter, data and arguments put together, and how often it tells."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, List, Mapping, Tuple

import transformers

import adapter_files
import checkpoint_files
import train_adapter
import train_checks
import train_model
import train_processes
from payload_events import say
from train_callbacks import RunCallback
from train_methods import METHODS

Row = dict[str, Any]
# Hugging Face's; the control plane has a package of that name too.
datasets: Any = importlib.import_module("datasets")


def make_trainer(
    job: Mapping[str, Any],
    settings: Mapping[str, Any],
    train_rows: List[Row],
    eval_rows: List[Row],
    *,
    folder: Path,
) -> Tuple[Any, RunCallback]:
    """Return the trainer, its data tokenised, and the callback that tells of it."""
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    path = os.environ.get("SLIPWAY_MODEL_PATH", "base_model")
    method = METHODS[job["recipe"]["method"]](settings, form=job["dataset"]["format"])
    tokenizer = train_model.load_tokenizer(path)
    train_model.check_template(
        tokenizer,
        chat=train_checks.is_conversational(train_rows[0]),
        marked=method.arguments.get("assistant_only_loss", False),
    )
    precision = train_model.choose_precision()
    model = train_model.load_model(
        path, dtype=precision.pop("dtype"), in_4bit=settings["load_in_4bit"], job=job
    )
    if settings.get("packing"):
        train_model.check_packing(model, job)
    if method.arguments.get("disable_dropout") is False:
        disable_dropout(model)
    model, lora = train_adapter.with_lora(model, settings, job=job, run=folder)
    callback = _callback(job, settings, folder=folder, watch_gradients=not precision["fp16"])
    trainer = method.trainer(
        model=model,
        args=method.configuration(
            **arguments(settings, folder / "output", precision=precision, evaluate=bool(eval_rows)),
            **method.arguments,
            **train_processes.sharing(job),
            max_length=train_model.fitting_length(settings["max_length"], model),
        ),
        train_dataset=datasets.Dataset.from_list(train_rows),
        eval_dataset=datasets.Dataset.from_list(eval_rows) if eval_rows else None,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[callback],
    )
    if settings["load_in_4bit"]:
        train_model.keep_adapter_exact(trainer.model, bf16=precision["bf16"])
    # They print what the callback tells.
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.remove_callback(transformers.ProgressCallback)
    return trainer, callback


def _callback(
    job: Mapping[str, Any], settings: Mapping[str, Any], *, folder: Path, watch_gradients: bool
) -> RunCallback:
    return RunCallback(
        job=job,
        settings=settings,
        output=folder / "output",
        control=folder / "control",
        base_model=job["base_model"]["id"],
        revision=os.environ.get("SLIPWAY_MODEL_REVISION") or None,
        watch_gradients=watch_gradients,
    )


def arguments(
    settings: Mapping[str, Any], output: Path, *, precision: Mapping[str, Any], evaluate: bool
) -> dict[str, Any]:
    """Return what every method's configuration takes; names as in transformers 5.23."""
    on_cpu = precision["use_cpu"]
    at_once, accumulation = batch(settings)
    return {
        "output_dir": str(output / checkpoint_files.UNFINISHED),
        "max_steps": settings["max_steps"] or -1,
        "num_train_epochs": settings["num_train_epochs"],
        "per_device_train_batch_size": at_once,
        "per_device_eval_batch_size": at_once,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": scheduler(settings["lr_scheduler_type"]),
        # A fraction below 1 is a share of all steps; warmup_ratio is gone.
        "warmup_steps": settings["warmup_ratio"],
        "weight_decay": settings["weight_decay"],
        "gradient_checkpointing": settings["gradient_checkpointing"] and not on_cpu,
        "seed": settings["seed"],
        "logging_strategy": "steps",
        "logging_first_step": True,
        # The default hides NaN behind 0.0 (trap 7.1).
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if evaluate else "no",
        # The loss before any training: what all later ones are compared with.
        "eval_on_start": evaluate and not adapter_files.checkpoints(output),
        "save_strategy": "steps",
        "load_best_model_at_end": settings["load_best_model_at_end"] and evaluate,
        "metric_for_best_model": "eval_loss" if evaluate else None,
        "greater_is_better": False if evaluate else None,
        "report_to": "none",
        "disable_tqdm": True,
        "push_to_hub": False,
        "dataloader_pin_memory": not on_cpu,
        # The frozen base takes no gradient, and every adapter weight takes one.
        "ddp_find_unused_parameters": False if train_processes.world_size() > 1 else None,
        **precision,
    }


def batch(settings: Mapping[str, Any]) -> Tuple[int, int]:
    """Return rows at once and batches a step of one process, and say when a step cannot be kept."""
    wanted = settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
    processes = train_processes.world_size()
    at_once, accumulation = train_checks.shared_batch(settings, processes=processes)
    now = at_once * accumulation * processes
    if processes > 1:
        kept = "as on one" if now == wanted else f"not {wanted}, which {processes} cannot share"
        say(
            "info" if now == wanted else "warning",
            f"{processes} processes train together: {at_once} rows at once x {accumulation} "
            f"batches x {processes} = {now} rows a step, {kept}.",
        )
    return at_once, accumulation


def scheduler(name: str) -> str:
    """Return transformers' name: its "constant" would leave out the warm-up without a word."""
    return "constant_with_warmup" if name == "constant" else name


def set_cadence(trainer: Any, job: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Set how often is logged, measured and saved, by the rows that are really there."""
    total = train_checks.total_steps(
        len(trainer.train_dataset), settings, processes=train_processes.world_size()
    )
    args = trainer.args
    args.logging_steps = train_checks.steps_between_logs(total, asked=settings["logging_steps"])
    args.eval_steps = train_checks.steps_between_evaluations(
        total, asked=job["recipe"]["eval"]["steps"]
    )
    args.save_steps = settings["save_steps"] or args.eval_steps


def disable_dropout(model: Any) -> None:
    """Turn the base model's own dropout off; an adapter put on it later keeps its own."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
