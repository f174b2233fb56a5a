"""Buckets of steps: extremes are kept with their steps, and there are never too many."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.bucketing import (
    MAX_BUCKETS,
    Bucket,
    Told,
    bucketed,
    fitting_width,
    merged,
    width_over,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def told(step: int, value: float | None) -> Told:
    return Told(step, value, NOON + timedelta(seconds=step))


def series(*values: float | None) -> list[Told]:
    return [told(step, value) for step, value in enumerate(values, start=1)]


# Steps in order, each once, with whole values, so that sums are the same in any order.
histories = st.dictionaries(
    st.integers(min_value=0, max_value=3000),
    st.none() | st.integers(min_value=-1000, max_value=1000).map(float),
    min_size=1,
    max_size=120,
).map(lambda found: [told(step, value) for step, value in sorted(found.items())])


def test_a_bucket_tells_its_extremes_with_their_steps_its_mean_and_its_newest_value() -> None:
    first, second = bucketed(series(5.0, 2.0, 9.0, 4.0), width=4)

    assert first == Bucket(
        start=0,
        width=4,
        count=3,
        total=16.0,
        low=2.0,
        low_step=2,
        high=9.0,
        high_step=3,
        last=9.0,
        last_step=3,
        last_at=NOON + timedelta(seconds=3),
    )
    assert first.mean == 16 / 3
    assert (second.start, second.low, second.high, second.last_step) == (4, 4.0, 4.0, 4)


def test_a_value_that_is_no_number_counts_for_nothing_but_is_the_newest_all_the_same() -> None:
    (mixed,) = bucketed(series(5.0, None), width=4)
    (empty,) = bucketed(series(None, None), width=4)

    assert (mixed.count, mixed.low, mixed.high, mixed.last, mixed.last_step) == (1, 5, 5, None, 2)
    assert (empty.count, empty.low, empty.high_step, empty.mean) == (0, None, None, None)


def test_of_equal_extremes_the_earliest_step_is_kept() -> None:
    (bucket,) = bucketed(series(1.0, 3.0, 1.0, 3.0), width=8)

    assert (bucket.low_step, bucket.high_step) == (1, 2)
    assert merged(bucketed(series(1.0, 3.0, 1.0, 3.0), width=1), width=8) == [bucket]


def test_f42_sums_of_the_largest_numbers_stay_numbers() -> None:
    (bucket,) = bucketed(series(1.7e308, 1.7e308), width=4)

    assert bucket.total == 1.7e308


@pytest.mark.parametrize(
    ("steps", "width"),
    [(range(399), 1), (range(400), 2), (range(798), 2), (range(799), 4), (range(200_000), 512)],
)
def test_the_width_doubles_when_one_bucket_too_many_would_be_there(
    steps: range, width: int
) -> None:
    assert fitting_width(steps, width=1) == width


@pytest.mark.parametrize(
    ("first", "last", "width"), [(0, 398, 1), (0, 399, 2), (5, 5, 1), (1000, 5000, 16)]
)
def test_a_part_of_a_run_is_cut_into_as_few_buckets_as_are_shown(
    first: int, last: int, width: int
) -> None:
    assert width_over(first, last) == width


def test_rare_values_keep_buckets_of_their_own_however_far_apart_they_are() -> None:
    assert fitting_width(range(0, 200_000, 1000), width=1) == 1


@given(histories, st.sampled_from([1, 2, 4, 8, 64]), st.sampled_from([1, 2, 16]))
def test_joining_buckets_gives_those_of_the_raw_values(
    history: list[Told], width: int, times: int
) -> None:
    narrow = bucketed(history, width=width)

    assert merged(narrow, width=width * times) == bucketed(history, width=width * times)


@given(histories, st.integers(min_value=1, max_value=60))
def test_no_extreme_is_lost_and_no_limit_exceeded(history: list[Told], limit: int) -> None:
    width = fitting_width((each.step for each in history), width=1, limit=limit)

    buckets = bucketed(history, width=width)

    finite = {each.step: each.value for each in history if each.value is not None}
    lows = [bucket.low for bucket in buckets if bucket.low is not None]
    highs = [bucket.high for bucket in buckets if bucket.high is not None]
    assert len(buckets) <= limit
    assert min(lows, default=None) == min(finite.values(), default=None)
    assert max(highs, default=None) == max(finite.values(), default=None)
    assert sum(bucket.count for bucket in buckets) == len(finite)
    assert all(finite[b.low_step] == b.low for b in buckets if b.low_step is not None)
    assert all(finite[b.high_step] == b.high for b in buckets if b.high_step is not None)


def test_the_drawn_points_of_a_series_are_at_most_eight_hundred() -> None:
    assert 2 * MAX_BUCKETS + 1 <= 800
