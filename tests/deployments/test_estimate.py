"""Memory and time by hand-worked numbers, and what must hold for any run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import cards, estimate
from deployments.estimate import GIB, Load, ModelShape, Work

# Two layers, eight wide: small enough to be worked by hand.
# A block: q 8x8 + k 8x4 + v 8x4 + o 8x8 + gate 8x16 + up 8x16 + down 16x8
#        = 64 + 32 + 32 + 64 + 128 + 128 + 128 = 576; two blocks 1,152.
# Embeddings: 100 x 8 = 800, and a head of 800. All: 1,152 + 1,600 = 2,752.
SMALL = ModelShape(
    hidden=8,
    mlp=16,
    layers=2,
    heads=4,
    kv_heads=2,
    head_size=2,
    vocabulary=100,
    is_tied=False,
)
# Llama 3.1 8B.
LLAMA = ModelShape(
    hidden=4096,
    mlp=14_336,
    layers=32,
    heads=32,
    kv_heads=8,
    head_size=128,
    vocabulary=128_256,
    is_tied=False,
)


def load(**fields: object) -> Load:
    values: dict[str, object] = {
        "method": "sft",
        "lora_rank": 4,
        "target_modules": "all-linear",
        "micro_batch": 3,
        "longest_tokens": 10,
    }
    return Load(**(values | fields))  # type: ignore[arg-type]  # a test's own mixture


def work(**fields: object) -> Work:
    values: dict[str, object] = {
        "method": "sft",
        "parameters": 8_000_000_000,
        "tokens": 1_000_000,
        "evaluation_tokens": 0,
        "steps": 50,
        "micro_batch": 4,
        "row_tokens": 600,
    }
    return Work(**(values | fields))  # type: ignore[arg-type]  # a test's own mixture


def test_parameters_are_counted_layer_by_layer() -> None:
    assert SMALL.linear_parameters == 1_152
    assert SMALL.embedding_parameters == 1_600
    assert SMALL.parameters == 2_752


def test_llama_8b_has_its_published_8_03_billion_parameters() -> None:
    assert LLAMA.parameters == pytest.approx(8.03e9, rel=0.001)


def test_a_rank_counts_once_for_each_side_of_each_layer() -> None:
    # Inputs + outputs: q 16, k 12, v 12, o 16, gate 24, up 24, down 24 = 128.
    # Two blocks at rank 4: 2 x 4 x 128 = 1,024.
    assert estimate.lora_parameters(SMALL, rank=4, modules="all-linear") == 1_024


def test_only_the_named_layers_carry_the_adapter() -> None:
    # q 16 and v 12: 2 x 4 x 28 = 224.
    assert estimate.lora_parameters(SMALL, rank=4, modules=["q_proj", "v_proj"]) == 224


def test_layers_of_unknown_names_count_as_all_of_them() -> None:
    assert estimate.lora_parameters(SMALL, rank=4, modules=["Wqkv"]) == 1_024


def test_llama_8b_at_rank_16_trains_41_9_million_weights() -> None:
    # A block: q 8,192 + k 5,120 + v 5,120 + o 8,192 + gate, up, down 3 x 18,432 = 81,920.
    # 32 x 16 x 81,920 = 41,943,040.
    assert estimate.lora_parameters(LLAMA, rank=16, modules="all-linear") == 41_943_040


def test_memory_is_the_sum_of_its_parts_and_15_percent() -> None:
    need = estimate.memory_need(SMALL, load())

    assert need.weights == 2 * 2_752
    assert need.adapter == 16 * 1_024
    # 12 x 100 words + 2 x 2 layers x 8 + 2.5 x (3 x 8 + 2 x 16) = 1,200 + 32 + 140 = 1,372 bytes
    # a token; 3 rows of 10 tokens: 41,160.
    assert need.activations == 41_160
    assert need.runtime == 2.5 * GIB
    parts = 5_504 + 16_384 + 41_160 + 2_684_354_560
    assert need.margin == int(0.15 * parts)
    assert need.total == parts + int(0.15 * parts)


def test_a_chunked_loss_holds_one_byte_a_word_of_the_vocabulary() -> None:
    # 1 x 100 + 32 + 140 = 272 bytes a token, 30 tokens.
    assert estimate.memory_need(SMALL, load(chunked_loss=True)).activations == 8_160


def test_preferences_hold_a_chosen_and_a_rejected_row() -> None:
    assert estimate.memory_need(SMALL, load(method="dpo")).activations == 2 * 41_160


def test_without_checkpointing_every_block_keeps_its_inside() -> None:
    # 1,200 + 32 + 2 x 140 = 1,512 bytes a token, 30 tokens.
    need = estimate.memory_need(SMALL, load(gradient_checkpointing=False))

    assert need.activations == 45_360


def test_four_bits_shrink_the_blocks_and_not_the_embeddings() -> None:
    # 0.6 x 1,152 = 691.2, and 2 x 1,600.
    assert estimate.memory_need(SMALL, load(quantised=True)).weights == 691 + 3_200


def test_llama_8b_in_bf16_is_tight_on_a_24_gb_card_and_fits_one_of_40() -> None:
    need = estimate.memory_need(LLAMA, load(lora_rank=16, micro_batch=1, longest_tokens=1024))

    # Weights 16.06 GB, adapter 16 x 41.9 M = 0.67 GB, activations 1,024 x (12 x 128,256
    # + 2 x 32 x 4,096 + 2.5 x (3 x 4,096 + 2 x 14,336)) = 1,024 x 1,903,616 = 1.95 GB, runtime
    # 2.68 GB: 21.37 GB, and 15 % more: 24.57 GB = 22.9 GiB. Usable of 24: 23.28; of 40: 38.8.
    assert need.gib == pytest.approx(22.9, abs=0.05)
    assert estimate.memory_verdict(need, vram_gib=24) == "tight"
    assert estimate.memory_verdict(need, vram_gib=40) == "fits"
    assert estimate.memory_verdict(need, vram_gib=16) == "does_not_fit"


def test_what_is_not_known_gets_no_verdict() -> None:
    need = estimate.memory_need(SMALL, load())

    assert estimate.memory_verdict(None, vram_gib=24) == "unknown"
    assert estimate.memory_verdict(need, vram_gib=None) == "unknown"


@pytest.mark.parametrize(
    ("filled", "verdict"),
    [(0.80, "fits"), (0.81, "tight"), (1.0, "tight"), (1.01, "does_not_fit")],
)
def test_fits_ends_at_80_percent_of_what_is_usable(filled: float, verdict: str) -> None:
    usable = estimate.usable_bytes(10)
    need = estimate.MemoryNeed(int(filled * usable), 0, 0, 0, 0)

    assert usable == 9.7 * GIB
    assert estimate.memory_verdict(need, vram_gib=10) == verdict


def test_time_is_operations_over_what_the_card_reaches() -> None:
    # 1 M tokens x 4 x 8 x 10^9 = 3.2 x 10^16; at 125 x 10^12: 256 s at the peak.
    # At 35 %: 731.4 s; at 25 %: 1,024 s.
    seconds = estimate.train_seconds(work(), peak_tflops=125)

    assert seconds.low == pytest.approx(731.43, abs=0.01)
    assert seconds.high == pytest.approx(1_024)


def test_dpo_takes_half_as_much_again() -> None:
    seconds = estimate.train_seconds(work(method="dpo"), peak_tflops=125)

    assert seconds.high == pytest.approx(1.5 * 1_024)


@pytest.mark.parametrize("small", [{"row_tokens": 511}, {"micro_batch": 1}])
def test_small_pieces_of_work_reach_5_to_20_percent(small: dict[str, object]) -> None:
    seconds = estimate.train_seconds(work(**small), peak_tflops=125)

    assert seconds.low == pytest.approx(256 / 0.20)
    assert seconds.high == pytest.approx(256 / 0.05)


def test_evaluation_is_a_forward_pass() -> None:
    # 1 M tokens x 2 x 8 x 10^9: half of what training takes.
    seconds = estimate.train_seconds(work(evaluation_tokens=1_000_000), peak_tflops=125)

    assert seconds.high == pytest.approx(1_024 + 512)


def test_two_cards_do_the_work_of_1_78() -> None:
    one = estimate.train_seconds(work(), peak_tflops=125)
    two = estimate.train_seconds(work(), peak_tflops=125, gpu_count=2)

    assert one.high / two.high == pytest.approx(1.78)


def test_a_tiny_model_is_bound_by_its_steps() -> None:
    seconds = estimate.train_seconds(work(parameters=1000, steps=100), peak_tflops=989)

    assert (seconds.low, seconds.high) == (5.0, 40.0)


shapes = st.builds(
    ModelShape,
    hidden=st.integers(8, 16_384),
    mlp=st.integers(8, 65_536),
    layers=st.integers(1, 200),
    heads=st.integers(1, 128),
    kv_heads=st.integers(1, 128),
    head_size=st.integers(1, 256),
    vocabulary=st.integers(2, 300_000),
    is_tied=st.booleans(),
    is_fused=st.booleans(),
)
loads = st.builds(
    Load,
    method=st.sampled_from(["sft", "dpo", "orpo"]),
    lora_rank=st.integers(1, 512),
    target_modules=st.just("all-linear"),
    micro_batch=st.integers(1, 256),
    longest_tokens=st.integers(1, 131_072),
    gradient_checkpointing=st.booleans(),
    quantised=st.booleans(),
    chunked_loss=st.booleans(),
)
works = st.builds(
    Work,
    method=st.sampled_from(["sft", "dpo", "orpo"]),
    parameters=st.integers(1, 10**12),
    tokens=st.floats(0, 1e12),
    evaluation_tokens=st.floats(0, 1e12),
    steps=st.integers(1, 10**7),
    micro_batch=st.integers(1, 256),
    row_tokens=st.floats(1, 131_072),
    gradient_checkpointing=st.booleans(),
)


@given(shapes, loads, st.sampled_from(["micro_batch", "longest_tokens", "lora_rank"]))
def test_more_of_anything_never_needs_less_memory(shape: ModelShape, one: Load, field: str) -> None:
    more = Load(**{**one.__dict__, field: getattr(one, field) + 1})

    assert estimate.memory_need(shape, more).total >= estimate.memory_need(shape, one).total


@given(shapes, loads)
def test_checkpointing_never_needs_more(shape: ModelShape, one: Load) -> None:
    with_it = Load(**{**one.__dict__, "gradient_checkpointing": True})
    without = Load(**{**one.__dict__, "gradient_checkpointing": False})

    assert estimate.memory_need(shape, with_it).total <= estimate.memory_need(shape, without).total


@given(works, st.floats(1, 5000), st.sampled_from([1, 2, 4, 8]))
def test_low_is_never_above_high_and_neither_below_zero(
    some: Work, peak_tflops: float, gpu_count: int
) -> None:
    seconds = estimate.train_seconds(some, peak_tflops=peak_tflops, gpu_count=gpu_count)

    assert 0 < seconds.low <= seconds.high


@given(works, st.floats(1, 5000))
def test_more_tokens_never_take_less_time(some: Work, peak_tflops: float) -> None:
    more = Work(**{**some.__dict__, "tokens": 2 * some.tokens + 1})
    one, two = (estimate.train_seconds(w, peak_tflops=peak_tflops) for w in (some, more))

    assert one.low <= two.low
    assert one.high <= two.high


@pytest.mark.parametrize(
    ("gpu_name", "description", "card"),
    [
        ("A10", "1x A10 (24 GB PCIe)", "A10"),
        ("A100", "1x A100 (40 GB SXM4)", "A100"),
        ("H100", "1x H100 (80 GB PCIe)", "H100 PCIe"),
        ("H100", "1x H100 (80 GB SXM5)", "H100 SXM"),
        ("GH200", "1x GH200 (96 GB)", "GH200"),
        ("RTX 6000", "1x RTX 6000 (24 GB)", "RTX 6000"),
        ("A6000", "1x A6000 (48 GB)", "A6000"),
        ("Tesla V100", "8x Tesla V100 (16 GB)", "V100"),
    ],
)
def test_cards_are_known_by_the_clouds_words(gpu_name: str, description: str, card: str) -> None:
    found = cards.card_of(gpu_name, description)

    assert found is not None
    assert found.name == card


def test_turing_and_volta_have_no_bf16() -> None:
    names = {"RTX 6000", "Tesla V100", "T4"}

    assert not any(card.has_bf16 for name in names if (card := cards.card_of(name)))


def test_a_card_of_the_future_is_not_guessed() -> None:
    assert cards.card_of("R900", "1x R900 (512 GB)") is None
