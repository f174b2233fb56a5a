"""What the machines of the scenes tell: losses, heartbeats, lines of the log, checkpoints."""

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from core.time import database_now
from deployments import metric_rows
from deployments.models import Machine, Metric
from tests import builders

TOTAL_STEPS = 285
STEP_SECONDS = 7.4
EVAL_EACH = 48
CHECKPOINT_BYTES = 84_100_000
HEARTBEAT = {
    "control_silent_seconds": 2.0,
    "control_silence_limit_seconds": 1800.0,
    "cpu_percent": 12.4,
    "cpu_count": 30,
    "memory_used_bytes": 21_400_000_000,
    "memory_total_bytes": 214_000_000_000,
    "disk_free_bytes": 1_320_000_000_000,
    "gpus": [
        {
            "name": "NVIDIA A10",
            "memory_used_mib": 13_640,
            "memory_total_mib": 23_028,
            "utilization_percent": 97,
            "temperature_celsius": 64,
        }
    ],
}
ENVIRONMENT = {
    "cpu_stand_in": False,
    "gpu": {"name": "NVIDIA A10"},
    "versions": {"python": "3.10.12", "torch": "2.13.0", "trl": "1.9.2", "peft": "0.19"},
}


def seconds(number: float) -> timedelta:
    """Return so many seconds."""
    return timedelta(seconds=number)


def step_at(rented: Machine, step: int) -> datetime:
    """Return when a machine of the story told of a step."""
    return rented.deployment.created_at + seconds(595 + STEP_SECONDS * step)


def training_told(rented: Machine, *, steps: int, seed: int = 3, diverges: bool = False) -> None:
    """Let a machine have told of so many steps: losses, an evaluation each 48, heartbeats, log."""
    metrics_told(rented, steps=steps, seed=seed, diverges=diverges)
    builders.make_run_state(
        rented,
        accepted_through=1204,
        phase="train",
        step=steps,
        total_steps=TOTAL_STEPS,
        epoch=round(3 * steps / TOTAL_STEPS, 2),
        stepped_at=step_at(rented, steps),
        first_step_at=step_at(rented, 1),
        news_at=database_now() - seconds(2),
        looked_at=database_now() - seconds(2),
        heartbeat=HEARTBEAT,
        environment=ENVIRONMENT,
    )
    lines_told(rented, steps=steps)
    checkpoints_told(rented, steps=steps)


def metrics_told(rented: Machine, *, steps: int, seed: int, diverges: bool) -> None:
    """Let a machine have told the metrics of so many steps; the same curve for the same seed."""
    pick = random.Random(seed)  # noqa: S311
    rows = []
    for step in range(1, steps + 1):
        loss = 1.05 + math.exp(-step / 32) + pick.uniform(-0.06, 0.06)
        if diverges and step > steps - 8:
            loss += 0.3 * (step - steps + 8)
        values = {
            "train/loss": loss,
            "train/learning_rate": 2e-4 * min(step / 12, (TOTAL_STEPS + 40 - step) / 313),
            "train/grad_norm": 0.6 + 1.3 * math.exp(-step / 22) + pick.uniform(-0.15, 0.15),
            "train/tokens": 2048.0 * step,
            "train/tokens_per_second": 760 if step % 48 == 1 else 1040 + pick.uniform(-30, 30),
        }
        if step % 2 == 0:
            values["gpu/memory_used_gib"] = 13.3 + pick.uniform(-0.05, 0.05)
            values["gpu/utilization_percent"] = 96 + pick.uniform(-4, 3)
        if step % EVAL_EACH == 0:
            values["eval/loss"] = 1.09 + math.exp(-step / 36)
        job, at = rented.deployment.job, step_at(rented, step)
        rows += [
            Metric(job=job, machine=rented, name=name, step=step, value=value, at=at)
            for name, value in values.items()
        ]
    Metric.objects.bulk_create(rows)
    metric_rows.rebuild_buckets(rented.deployment.job_id)


def lines_told(rented: Machine, *, steps: int) -> None:
    """Let a machine have told ten lines, the last one a moment ago."""
    lines = [
        ("info", "agent", "The machine is what was paid for: 1x NVIDIA A10, 22.5 GiB."),
        ("info", "agent", "Packages are in place after 4 min 12 s."),
        ("warning", "train", "row 87 was cut from 1,310 to 1,024 tokens"),
        ("info", "train", f"eval at step {steps - steps % 48}: loss 1.164"),
        *[("info", "train", f"step {n}, loss 1.1{n % 10}7") for n in range(steps - 5, steps + 1)],
    ]
    for number, (level, source, text) in enumerate(lines):
        at = database_now() - seconds(7 * (len(lines) - number))
        builders.make_log_line(rented, level=level, source=source, text=text, at=at)


def checkpoints_told(rented: Machine, *, steps: int) -> None:
    """Let a machine have written a checkpoint with each evaluation, and one at the very end."""
    written = [*range(EVAL_EACH, steps + 1, EVAL_EACH), *([steps] if steps == TOTAL_STEPS else [])]
    for step in written:
        builders.make_checkpoint(
            rented,
            step=step,
            size_bytes=CHECKPOINT_BYTES,
            files=weights(step, folder=f"checkpoint-{step}"),
            at=step_at(rented, step),
        )


def weights(step: int, *, folder: str) -> list[dict[str, object]]:
    """Return what a machine lists of a folder with the weights of a step."""
    sizes = {"adapter_model.safetensors": 84_000_000, "adapter_config.json": 900}
    return [
        {
            "name": f"{folder}/{name}",
            "size": size,
            "sha256": hashlib.sha256(f"{name} {step}".encode()).hexdigest(),
        }
        for name, size in sizes.items()
    ]


def told(rented: Machine, metrics: Mapping[str, Sequence[float]]) -> None:
    """Let a machine have told of metrics from step 1 on, instead of what it told before."""
    job, begin = rented.deployment.job, rented.deployment.created_at + seconds(595)
    Metric.objects.filter(job=job, name__in=metrics).delete()
    Metric.objects.bulk_create(
        Metric(job=job, machine=rented, name=name, step=step, value=value, at=begin + seconds(step))
        for name, values in metrics.items()
        for step, value in enumerate(values, start=1)
    )
    metric_rows.rebuild_buckets(job.pk)
