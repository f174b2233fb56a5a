"""What a recipe calculates on its data: the steps the trainer counts, and the tokens in them."""

import importlib
import sys
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.lengths import LengthCounter
from deployments import recipes, workload
from deployments.estimate import ModelShape
from deployments.training.job_file import PAYLOAD
from deployments.workload import RowLengths

SHAPE = ModelShape(8, 16, 2, 4, 2, 2, 100, is_tied=False)


def recipe(evaluation: Mapping[str, object] | None = None, **hyperparameters: object) -> Any:
    return recipes.freeze(
        method="sft",
        base_model="example/x",
        hyperparameters=hyperparameters,
        evaluation={"share": 0.0} if evaluation is None else evaluation,
    )


def test_an_epoch_is_every_row_once() -> None:
    # 100 rows, 4 at once, 4 batches a step: 25 batches, 7 steps; 2 epochs: 14 steps, 200 rows.
    found = workload.work_of(recipe(num_train_epochs=2.0), RowLengths(100, 300.0), SHAPE)

    assert found.steps == 14
    assert found.tokens == 200 * 300


def test_a_number_of_steps_overrides_the_epochs() -> None:
    # 5 steps of 4 x 4 rows.
    found = workload.work_of(recipe(max_steps=5), RowLengths(100, 300.0), SHAPE)

    assert found.tokens == 5 * 16 * 300


def test_held_back_rows_are_read_before_during_and_after_training() -> None:
    # 10 of 100 rows held back; 90 rows: 23 batches, 6 steps; one evaluation a step, and one
    # before: 7 passes over 10 rows.
    found = workload.work_of(recipe({"share": 0.1}), RowLengths(100, 300.0), SHAPE)

    assert found.tokens == 90 * 300
    assert found.evaluation_tokens == 7 * 10 * 300


def test_a_file_of_its_own_to_measure_with_is_read_as_often() -> None:
    # 100 rows: 25 batches, 7 steps, 8 passes over 40 rows, each cut at the max length.
    found = workload.work_of(
        recipe({"dataset_id": str(uuid.UUID(int=7))}, max_length=256),
        RowLengths(100, 200.0),
        SHAPE,
        evaluation=RowLengths(40, 300.0),
    )

    assert found.tokens == 100 * 200
    assert found.evaluation_tokens == 8 * 40 * 256


def measured(*tokens: int) -> RowLengths:
    counter = LengthCounter()
    for each in tokens:
        counter.add(each, answer_tokens=each)
    found = counter.lengths()
    return RowLengths(found.rows, found.tokens / found.rows, found)


def test_rows_are_cut_at_the_length_the_recipe_names() -> None:
    # Buckets of their own begin at 32, 512 and 2,048: 5 rows of 32 tokens and 5 of 2,048, cut at
    # 512: (160 + 2,560) / 10 = 272. A bucket's rows are known to 3 %.
    lengths = measured(*5 * [32], *5 * [2048])

    assert lengths.mean_within(512) == pytest.approx(272, rel=0.1)
    assert lengths.rows_over(512) == 5


def test_a_row_may_have_half_as_many_tokens_again_as_its_bytes_say() -> None:
    lengths = measured(32, 2000)

    assert lengths.longest_within(4096) == 3000
    assert lengths.longest_within(1024) == 1024


def test_where_nobody_counted_the_longest_row_is_taken_to_be_the_limit() -> None:
    lengths = RowLengths(10, 300.0)

    assert lengths.longest_within(1024) == 1024
    assert lengths.rows_over(1024) is None


def test_a_model_that_reads_less_cuts_earlier() -> None:
    found = workload.load_of(recipe(max_length=4096), RowLengths(10, 300.0), context_tokens=2048)

    assert found.longest_tokens == 2048


@given(
    rows=st.integers(2, 5000),
    at_once=st.integers(1, 64),
    batches=st.integers(1, 64),
    epochs=st.floats(0.01, 20),
    max_steps=st.none() | st.integers(1, 10_000),
)
def test_steps_are_those_the_machine_counts(
    rows: int, at_once: int, batches: int, epochs: float, max_steps: int | None
) -> None:
    settings = recipe(
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=batches,
        num_train_epochs=epochs,
        max_steps=max_steps,
    )["hyperparameters"]

    assert workload.total_steps(rows, settings) == train_checks().total_steps(rows, settings)


def train_checks() -> Any:
    """Return the machine's own module, which stands in no package."""
    sys.path.insert(0, str(PAYLOAD))
    try:
        return importlib.import_module("train_checks")
    finally:
        sys.path.remove(str(PAYLOAD))


@pytest.mark.parametrize("limit", [1, 100, 10_000])
def test_a_mean_is_at_least_one_token(limit: int) -> None:
    assert RowLengths(0, 0.0).mean_within(limit) == 1.0


@pytest.mark.parametrize("rows", [2, 12, 137])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_rows_held_out_are_those_that_the_machine_would_choose(rows: int, share: float) -> None:
    made = recipe({"share": share}, seed=7)
    numbered = [{"number": number} for number in range(rows)]

    _, held_out = importlib.import_module("train_checks").split_rows(numbered, share=share, seed=7)

    assert workload.rows_held_out(rows, made) == [row["number"] for row in held_out]
