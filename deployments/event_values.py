"""What single values of a run-log event may be: all of them come from a machine we rent. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_STEP = 2**31 - 1
MAX_VALUES = 100
METRIC_NAME = re.compile(r"[A-Za-z0-9_./@%:-]{1,100}")
GPU_MEMORY, GPU_USE = "gpu/memory_used_gib", "gpu/utilization_percent"
_MAX_GPUS = 16
_MIB_A_GIB = 1024
# Of each GPU: nvidia-smi's figure, our name for it, and what it is divided by.
_FIGURES = (
    ("memory_used_mib", "memory_used_gib", _MIB_A_GIB),
    ("utilization_percent", "utilization_percent", 1),
    ("temperature_celsius", "temperature_celsius", 1),
    ("power_watts", "power_watts", 1),
)
JsonObject = Mapping[str, Any]
# By metric name and step; None where the trainer reported a number that is not finite.
MetricValues = dict[tuple[str, int], float | None]


def whole(value: object, *, limit: int = 2**53) -> int | None:
    """Return a whole number from 0 to ``limit``; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= limit else None


def finite(value: object) -> float | None:
    """Return a number as a float; None for what is none, or is not finite (F42)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def metric_values(event: JsonObject, *, step: int | None) -> MetricValues:
    """Return what an event tells of metrics; ``step`` is the newest one known before it.

    A heartbeat counts too: what the fullest GPU holds, how busy the GPUs are on average, and the
    figures of each by the names that W&B gives them.
    """
    if event.get("kind") == "heartbeat":
        return {(name, step or 0): value for name, value in _gpu_values(event).items()}
    if event.get("kind") != "metrics":
        return {}
    at_step, values = whole(event.get("step"), limit=MAX_STEP), event.get("values")
    if at_step is None or not isinstance(values, dict):
        return {}
    return {
        (name, at_step): finite(value)
        for name, value in list(values.items())[:MAX_VALUES]
        if METRIC_NAME.fullmatch(name)
    }


def _gpu_values(event: JsonObject) -> dict[str, float]:
    told = event.get("gpus")
    gpus = told[:_MAX_GPUS] if isinstance(told, list) else []
    plain = [gpu for gpu in gpus if isinstance(gpu, dict)]
    used = [n for gpu in plain if (n := finite(gpu.get("memory_used_mib"))) is not None]
    busy = [n for gpu in plain if (n := finite(gpu.get("utilization_percent"))) is not None]
    found = {}
    if used:
        found[GPU_MEMORY] = max(used) / _MIB_A_GIB
    if busy:
        found[GPU_USE] = sum(busy) / len(busy)
    return found | _each_gpu(plain)


def _each_gpu(gpus: Sequence[JsonObject]) -> dict[str, float]:
    found = {}
    for number, gpu in enumerate(gpus):
        for key, name, divisor in _FIGURES:
            value = finite(gpu.get(key))
            if value is not None:
                found[f"system/gpu_{number}_{name}"] = value / divisor
    return found
