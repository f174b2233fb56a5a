"""What happens while Trainer trains: metrics out, wishes in, checkpoints told, NaN noticed."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any, List, Mapping

from transformers import TrainerCallback

import adapter_files
import checkpoint_files
import train_checks
import train_processes
from agent_failures import failure
from payload_events import say, tell
from train_metrics import TOKENS, Speed, metric_name, peak_memory, tokens_counted

DISK_GUARD_BYTES = 2 * 1024**3
MAX_NOT_FINITE = 3
# A run of quick steps tells its loss in words no more often than somebody reads.
SAY_EVERY_SECONDS = 5.0


class StopInEvaluationError(Exception):
    """A stop was asked for while the model was being evaluated, which can take long."""


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Trainer's events on one side, the agent's pipe and control files on the other.

    Of several processes each has one: what one decides, all do, and the first alone tells.
    """

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        settings: Mapping[str, Any],
        output: Path,
        control: Path,
        base_model: str,
        revision: str | None,
        watch_gradients: bool,
    ) -> None:
        self.job = job
        self.settings = settings
        self.output = output
        self.stop_file = control / "stop"
        self.save_file = control / "save"
        self.held_file = control / "held"
        self.base_model = base_model
        self.revision = revision
        # In fp16 the first gradients overflow on purpose: that is how the scale is found.
        self.watch_gradients = watch_gradients
        self.evaluated_at = -1
        self.was_stopped = False
        self._not_finite = 0
        self._told_progress_at = 0.0
        self._said_at = -SAY_EVERY_SECONDS
        guard = (job.get("limits") or {}).get("disk_guard_bytes")
        self._guard_bytes = DISK_GUARD_BYTES if guard is None else int(guard)
        self._paused_saving = False
        self._speed = Speed(
            method=job["recipe"]["method"],
            peak_tflops=float((job.get("expected") or {}).get("peak_tflops") or 0),
            cards=train_processes.world_size(),
        )
        self._tokens_before = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._tokens_before = tokens_counted(state.log_history)
        model = kwargs.get("model")
        if model is not None:
            base = model.get_base_model() if hasattr(model, "get_base_model") else model
            self._speed.parameters = base.num_parameters()
        self._find_best(state)
        self._tell_progress(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if time.monotonic() - self._told_progress_at >= 1:
            self._tell_progress(state)
        save, stop = train_processes.agree(self.save_file.exists(), self.stop_file.exists())
        if save:
            if train_processes.is_first():
                self.save_file.unlink(missing_ok=True)
            say("info", f"Saving at step {state.global_step}, as asked.")
            control.should_save = True
        if stop:
            self.was_stopped = True
            control.should_training_stop = control.should_save = True
            control.should_evaluate = False
        self._mind_the_disk(control)
        self._mind_the_weights(control, kwargs.get("model"))

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if train_processes.agree(self.stop_file.exists())[0]:
            self.was_stopped = control.should_training_stop = True

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if train_processes.agree(self.stop_file.exists())[0]:
            raise StopInEvaluationError
        if time.monotonic() - self._told_progress_at >= 1:
            self._told_progress_at = time.monotonic()
            # The step stands still, and yet something moves (F44).
            tell("pulse")

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        patience = self.settings["early_stopping_patience"]
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        if patience is None or state.global_step >= state.max_steps:
            return
        threshold = self.settings["early_stopping_threshold"]
        if train_checks.no_longer_better(losses, patience=patience, threshold=threshold):
            control.should_training_stop = True
            say(
                "info",
                f"Stopping early at step {state.global_step} of {state.max_steps}: in {patience} "
                f"evaluations the loss did not fall by {threshold:g}.",
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        values = {}
        for key, value in (logs or {}).items():
            name = metric_name(key)
            if name is not None and isinstance(value, (int, float)):
                values[name] = float(value)
        if not values:
            return
        if "eval/loss" in values:
            self.evaluated_at = state.global_step
        if TOKENS in values:
            values[TOKENS] += self._tokens_before
            values.update(self._speed.since_last(values[TOKENS]))
            values.update(peak_memory())
        tell("metrics", values=values, **_progress(state))
        self._told_progress_at = time.monotonic()
        self._say_loss(state, values)
        self._notice_not_finite(values)

    def _say_loss(self, state: Any, values: Mapping[str, float]) -> None:
        """Tell the loss as a line of the log: every evaluation, of the steps one now and then."""
        if "eval/loss" in values:
            say("info", f"Evaluated at step {state.global_step}: loss {values['eval/loss']:.4g}.")
        elif "train/loss" in values and time.monotonic() - self._said_at >= SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            say("info", f"Step {state.global_step}: loss {values['train/loss']:.4g}.")

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        part = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        # Each process writes its own random state into it.
        train_processes.wait_for_all()
        if state.best_model_checkpoint == str(part):
            state.best_model_checkpoint = str(self.output / part.name)
        if not train_processes.is_first():
            return
        adapter_files.clean(part, base_model=self.base_model, revision=self.revision)
        files = checkpoint_files.finish(part, self.output)
        best = Path(state.best_model_checkpoint or "").name
        checkpoint_files.prune(
            self.output, newest=self.settings["save_total_limit"], held=[*self._held(), best]
        )
        size = sum(int(file["size"]) for file in files)
        tell(
            "checkpoint",
            step=state.global_step,
            path=f"output/{part.name}",
            size_bytes=size,
            files=files,
        )
        say("info", f"Saved checkpoint {state.global_step}, {size / 1e6:.1f} MB.")

    def _find_best(self, state: Any) -> None:
        """After a resume: the best checkpoint so far under its path here, or none is known."""
        if not self.settings["load_best_model_at_end"] or not state.best_global_step:
            return
        folder = self.output / f"checkpoint-{state.best_global_step}"
        if checkpoint_files.is_whole(folder):
            state.best_model_checkpoint = str(folder)
            return
        say(
            "warning",
            f"The best checkpoint so far, of step {state.best_global_step}, is not on this "
            "machine: the best is looked for from here on.",
        )
        state.best_metric = state.best_global_step = state.best_model_checkpoint = None

    def tell_best(self, state: Any) -> None:
        """Say which step's adapter is kept, where the best one is."""
        if self.settings["load_best_model_at_end"] and state.best_model_checkpoint:
            step = Path(state.best_model_checkpoint).name.rpartition("-")[2]
            say("info", f"The best is step {step}, eval loss {state.best_metric:.4g}: kept.")

    def _held(self) -> List[str]:
        """Return the names of checkpoints that are being brought home just now."""
        try:
            return self.held_file.read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return []

    def _tell_progress(self, state: Any) -> None:
        self._told_progress_at = time.monotonic()
        tell("progress", **_progress(state))

    def _mind_the_disk(self, control: Any) -> None:
        """F51: a disk that fills up pauses saving; the run goes on with what was saved before."""
        if not control.should_save:
            return
        free = shutil.disk_usage(self.output).free
        if not train_processes.agree(free < self._guard_bytes)[0]:
            self._paused_saving = False
            return
        control.should_save = False
        if not self._paused_saving:
            self._paused_saving = True
            say("warning", f"Only {free / 1024**3:.1f} GiB of disk are free: saving is paused.")

    def _mind_the_weights(self, control: Any, model: Any) -> None:
        """F47: weights that are not finite must not push out the last good checkpoint."""
        if not control.should_save or model is None:
            return
        trained = (weights for weights in model.parameters() if weights.requires_grad)
        if not all(bool(weights.isfinite().all()) for weights in trained):
            control.should_save = False
            say("warning", "The weights are no longer finite, so they are not saved.")

    def _notice_not_finite(self, values: Mapping[str, float]) -> None:
        """F47: three logged losses in a row that are not finite end the run."""
        watched = ["train/loss", "eval/loss"]
        if self.watch_gradients:
            watched.append("train/grad_norm")
        seen = [values[name] for name in watched if name in values]
        if not seen:
            return
        self._not_finite = 0 if all(map(math.isfinite, seen)) else self._not_finite + 1
        if self._not_finite >= MAX_NOT_FINITE:
            detail = f"That was so {MAX_NOT_FINITE} times in a row."
            raise failure("E_NAN", job=self.job, detail=detail)


def _progress(state: Any) -> dict[str, Any]:
    return {
        "step": int(state.global_step),
        "total_steps": int(state.max_steps),
        "epoch": float(state.epoch or 0.0),
    }
