"""What a run needs and takes: GPU memory, time and phases as ranges, never as promises (pure).

The formulas are those of the project's own comparison with published figures. On held-out figures
the memory formula was up to 7 % short; the margin of 15 % is there for that.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

GIB = 1024**3
ALL_LINEAR = "all-linear"

Verdict = Literal["fits", "tight", "does_not_fit", "cannot_run", "unknown"]
FITS: Verdict = "fits"
TIGHT: Verdict = "tight"
DOES_NOT_FIT: Verdict = "does_not_fit"
CANNOT_RUN: Verdict = "cannot_run"
UNKNOWN: Verdict = "unknown"

# CUDA's context, the allocator's holes and library buffers.
RUNTIME_BYTES = int(2.5 * GIB)
MARGIN = 0.15
# What a program can use of the memory in a card's name, and how full it may be with room to spare.
USABLE_SHARE = 0.97
FITS_SHARE = 0.80
# Passes over the weights a token takes, in floating-point operations per parameter: with LoRA the
# frozen weights need no gradient of their own. DPO reads each token with the reference as well.
OPERATIONS = {"sft": 4, "orpo": 4, "dpo": 6}
# A forward pass alone.
EVALUATION_OPERATIONS = 2
# Share of a card's peak that training reaches; small pieces of work leave it waiting.
MFU = (0.25, 0.35)
MFU_SMALL = (0.05, 0.20)
SMALL_TOKENS = 512
# Two cards do the work of 1.78, measured; more are taken to lose as much at each doubling.
TWO_CARDS = 1.78
# No step is shorter than its kernels take to be started, however small the model (not measured).
STEP_SECONDS = (0.05, 0.4)
# Without gradient checkpointing nothing is calculated twice: at most this much faster.
CHECKPOINTING_FACTOR = 1.2

T = TypeVar("T")


@dataclass(frozen=True)
class Range(Generic[T]):
    """From ``low`` to ``high``, both included."""

    low: T
    high: T


@dataclass(frozen=True)
class Linear:
    """One linear layer of a block: its name in transformers, and how wide it is on each side."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a decoder model, named as in a config.json; norms and biases are left out.

    ``is_fused``: one layer for query, key and value and one for gate and up, as in Phi-3.
    """

    hidden: int
    mlp: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    is_tied: bool
    is_fused: bool = False

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The linear layers of one block."""
        query, other = self.heads * self.head_size, self.kv_heads * self.head_size
        h, f = self.hidden, self.mlp
        out = (Linear("o_proj", query, h), Linear("down_proj", f, h))
        if self.is_fused:
            qkv = Linear("qkv_proj", h, query + 2 * other)
            return (qkv, Linear("gate_up_proj", h, 2 * f), *out)
        return (
            Linear("q_proj", h, query),
            Linear("k_proj", h, other),
            Linear("v_proj", h, other),
            Linear("gate_proj", h, f),
            Linear("up_proj", h, f),
            *out,
        )

    @property
    def linear_parameters(self) -> int:
        """Weights of all blocks."""
        return self.layers * sum(linear.inputs * linear.outputs for linear in self.linears)

    @property
    def embedding_parameters(self) -> int:
        """Weights of the embeddings and, unless it is the same matrix, of the head."""
        return self.vocabulary * self.hidden * (1 if self.is_tied else 2)

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.linear_parameters + self.embedding_parameters


@dataclass(frozen=True)
class Load:
    """What one training step holds in memory. ``longest_tokens`` is the longest row after cutting.

    ``quantised``: base weights in 4 bit. ``chunked_loss``: logits are made a piece at a time.
    """

    method: str
    lora_rank: int
    target_modules: str | Collection[str]
    micro_batch: int
    longest_tokens: int
    gradient_checkpointing: bool = True
    quantised: bool = False
    chunked_loss: bool = False


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of one card's memory by what they are for."""

    weights: int
    adapter: int
    activations: int
    runtime: int
    margin: int

    @property
    def total(self) -> int:
        """All of it, the margin included."""
        return self.weights + self.adapter + self.activations + self.runtime + self.margin

    @property
    def gib(self) -> float:
        """All of it in GiB."""
        return self.total / GIB


@dataclass(frozen=True)
class Work:
    """What is calculated: tokens in training and in evaluation passes, and how it is cut up.

    ``row_tokens`` is the mean length of a row after cutting.
    """

    method: str
    parameters: int
    tokens: float
    evaluation_tokens: float
    steps: int
    micro_batch: int
    row_tokens: float
    gradient_checkpointing: bool = True


def lora_parameters(shape: ModelShape, *, rank: int, modules: str | Collection[str]) -> int:
    """Return the adapter's weights: rank x (inputs + outputs) of each layer it is put on.

    Names that this shape does not have may be layers we do not know: then all are counted.
    """
    chosen = list(_chosen(shape, modules)) or list(shape.linears)
    return shape.layers * rank * sum(linear.inputs + linear.outputs for linear in chosen)


def memory_need(shape: ModelShape, load: Load, *, cards: int = 1) -> MemoryNeed:
    """Return what one card must hold, or each of several ``cards`` that share the weights.

    Weights: 2 bytes each, or in 4 bit 0.6 with their scales, embeddings staying at 2. Adapter: 16
    bytes a weight (float32 weight, gradient, two moments). Activations a token: 12 bytes a word of
    the vocabulary (1 if the loss is chunked), 2 a layer and hidden unit for what checkpointing
    keeps, and one block's inside. Without checkpointing every block's inside is kept; that line
    follows from the others and was not compared with published figures.
    """
    if load.quantised:
        weights = int(0.6 * shape.linear_parameters) + 2 * shape.embedding_parameters
    else:
        weights = 2 * shape.parameters
    weights = math.ceil(weights / cards)
    adapter = 16 * lora_parameters(shape, rank=load.lora_rank, modules=load.target_modules)
    # Preference methods read a chosen and a rejected row for each.
    rows = load.micro_batch * (1 if load.method == "sft" else 2)
    inside = 2.5 * (3 * shape.hidden + 2 * shape.mlp)
    blocks = 1 if load.gradient_checkpointing else shape.layers
    a_token = (
        (1 if load.chunked_loss else 12) * shape.vocabulary
        + 2 * shape.layers * shape.hidden
        + blocks * inside
    )
    activations = int(rows * load.longest_tokens * a_token)
    parts = weights + adapter + activations + RUNTIME_BYTES
    return MemoryNeed(weights, adapter, activations, RUNTIME_BYTES, int(MARGIN * parts))


def usable_bytes(vram_gib: float) -> float:
    """Return what a program can use of a card of this name plate."""
    return USABLE_SHARE * vram_gib * GIB


def memory_verdict(need: MemoryNeed | None, *, vram_gib: float | None) -> Verdict:
    """Return whether the need fits on one card; unknown if either is."""
    if need is None or vram_gib is None:
        return UNKNOWN
    share = need.total / usable_bytes(vram_gib)
    if share <= FITS_SHARE:
        return FITS
    return TIGHT if share <= 1 else DOES_NOT_FIT


def scaling(gpu_count: int) -> float:
    """Return how well ``gpu_count`` cards use their time: 1.0 for one, 0.89 for two."""
    doublings = max(0, gpu_count.bit_length() - 1)
    return float((TWO_CARDS / 2) ** doublings)


def mfu(work: Work) -> tuple[float, float]:
    """Return which share of a card's peak the work reaches, from the worse to the better case."""
    is_small = work.row_tokens < SMALL_TOKENS or work.micro_batch == 1
    return MFU_SMALL if is_small else MFU


def operations(work: Work) -> float:
    """Return the floating-point operations of all training and evaluation passes."""
    a_token = OPERATIONS.get(work.method, max(OPERATIONS.values()))
    return work.parameters * (
        work.tokens * a_token + work.evaluation_tokens * EVALUATION_OPERATIONS
    )


def train_seconds(work: Work, *, peak_tflops: float, gpu_count: int = 1) -> Range[float]:
    """Return how long the steps and evaluations take on cards of this peak (10^12 a second)."""
    slow, fast = mfu(work)
    at_peak = operations(work) / (gpu_count * peak_tflops * 1e12 * scaling(gpu_count))
    fastest = at_peak / fast / (1 if work.gradient_checkpointing else CHECKPOINTING_FACTOR)
    return Range(
        max(fastest, work.steps * STEP_SECONDS[0]),
        max(at_peak / slow, work.steps * STEP_SECONDS[1]),
    )


def _chosen(shape: ModelShape, modules: str | Collection[str]) -> Iterator[Linear]:
    for linear in shape.linears:
        if isinstance(modules, str) or linear.name in modules:
            yield linear
