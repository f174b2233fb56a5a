"""The names and figures of a training's metrics, as users of Transformers and W&B know them."""

from __future__ import annotations

import time
from typing import Any, Iterable, Mapping

TOKENS, SPEED = "train/tokens", "train/tokens_per_second"
MFU, PEAK_MEMORY = "train/mfu", "system/gpu_0_memory_peak_gib"
_RENAMED = {"num_tokens": TOKENS}
_NOT_METRICS = ("_runtime", "_per_second", "_num_tokens", "_flos")
# Floating-point operations that a token needs for each parameter: with LoRA the frozen weights need
# no gradient of their own, and DPO reads each token with the reference as well.
OPERATIONS = {"sft": 4, "orpo": 4, "dpo": 6}
GIB = 1024**3


def metric_name(key: str) -> str | None:
    """Return the run log's name for one of Trainer's figures; None for what is no metric."""
    if key == "epoch" or key.endswith(_NOT_METRICS) or key.startswith("train_"):
        return None
    if key.startswith("eval_"):
        return "eval/" + key[len("eval_") :]
    return _RENAMED.get(key, "train/" + key)


def tokens_counted(log_history: Iterable[Mapping[str, Any]]) -> float:
    """Return the tokens of all that was trained before: each resumed part counts from 0 again."""
    before = newest = 0.0
    for entry in log_history:
        told = entry.get("num_tokens")
        if not isinstance(told, (int, float)):
            continue
        if told < newest:
            before += newest
        newest = float(told)
    return before + newest


class Speed:
    """Tokens per second, and the share of the cards' peak that they are.

    ``peak_tflops`` is one card's, 0 where it is not known: then nothing is said of a share.
    """

    def __init__(self, *, method: str, peak_tflops: float, cards: int) -> None:
        self.parameters = 0
        self._operations = OPERATIONS[method]
        self._peak = peak_tflops * 1e12 * cards
        self._counted: tuple[float, float] | None = None

    def since_last(self, tokens: float) -> dict[str, float]:
        """Return the speed since the last count, evaluations in between included."""
        before, self._counted = self._counted, (tokens, time.monotonic())
        if before is None or tokens <= before[0] or self._counted[1] <= before[1]:
            return {}
        speed = (tokens - before[0]) / (self._counted[1] - before[1])
        values = {SPEED: speed}
        if self._peak and self.parameters:
            values[MFU] = speed * self.parameters * self._operations / self._peak
        return values


def peak_memory() -> dict[str, float]:
    """Return the most GPU memory that torch has held on this process's card so far."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {PEAK_MEMORY: torch.cuda.max_memory_allocated() / GIB}
