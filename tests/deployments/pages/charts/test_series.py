"""The drawn points of a series: extremes stay, few are left, and steps find their places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.bucketing import Told, bucketed
from deployments.pages.charts import series
from deployments.pages.charts.series import Along
from tests.deployments.pages.charts.told import buckets
from tests.deployments.test_bucketing import histories, told

values = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=1500)


def test_a_short_series_is_drawn_point_by_point_with_its_gaps() -> None:
    assert series.drawn(buckets([2.0, None, 1.0])) == [(1.0, 2.0), (2.0, None), (3.0, 1.0)]


def test_a_bucket_is_drawn_as_its_extremes_in_order_and_the_newest_value_is_added() -> None:
    wide = bucketed([told(s, v) for s, v in enumerate([5.0, 1.0, 9.0, 4.0])], width=4)

    assert series.drawn(wide) == [(1.0, 1.0), (2.0, 9.0), (3.0, 4.0)]


@given(values)
def test_never_more_than_800_points_and_the_extremes_among_them(
    told_values: list[float | None],
) -> None:
    points = series.drawn(buckets(told_values))

    finite = [value for value in told_values if value is not None]
    drawn = [y for _, y in points if y is not None]
    assert len(points) <= 800
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[-1] == (float(len(told_values)), told_values[-1])
    assert (min(drawn, default=None), max(drawn, default=None)) == (
        min(finite, default=None),
        max(finite, default=None),
    )


@given(histories, st.integers(1, 50))
def test_a_smaller_drawing_takes_wider_buckets_and_loses_no_extreme(
    history: list[Told], limit: int
) -> None:
    narrow = bucketed(history, width=1)

    wide = series.thinned(narrow, limit=limit)

    lows = [[b.low for b in each if b.low is not None] for each in (narrow, wide)]
    assert len(wide) <= limit
    assert min(lows[0], default=None) == min(lows[1], default=None)


def test_smoothing_forgets_slowly_and_is_not_biased_at_its_start() -> None:
    points = series.smoothed(buckets([2.0, 1.0, None, 1.0]))

    assert [x for x, _ in points] == [1.0, 2.0, 4.0]
    assert [y for _, y in points] == pytest.approx([2.0, 1.444444, 1.262295], abs=1e-6)


def test_a_bucket_smooths_as_so_many_times_its_mean() -> None:
    several = bucketed([told(step, 3.0) for step in range(4, 8)], width=4)
    one_by_one = buckets([1.0, 3.0, 3.0, 3.0, 3.0])

    first = series.smoothed([*bucketed([told(0, 1.0)], width=4), *several])

    assert first[-1][1] == pytest.approx(series.smoothed(one_by_one)[-1][1])


def test_steps_between_known_ones_lie_in_a_straight_line() -> None:
    along = Along.of([(10, 100.0), (20, 300.0)])

    assert [along.place(step) for step in (5, 10, 15, 20, 25)] == [100, 100, 200, 300, 300]


def test_a_place_never_lies_before_an_earlier_one() -> None:
    # A second machine trained step 2 again, later than step 3 of the first one.
    assert Along.of([(1, 10.0), (2, 90.0), (3, 30.0)]).places == (10.0, 90.0, 90.0)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20), st.floats(-5, 30))
def test_places_rise_with_the_steps(places: list[float], step: float) -> None:
    along = Along.of((float(n), place) for n, place in enumerate(places))

    assert along.place(step) <= along.place(step + 0.5)
    assert min(places) <= along.place(step) <= max(places)


def test_a_counter_that_a_new_machine_begins_again_is_counted_on() -> None:
    told_tokens = [(1.0, 100.0), (2.0, 200.0), (3.0, 50.0), (4.0, 150.0)]

    assert series.counted_on(told_tokens) == [
        (1.0, 100.0),
        (2.0, 200.0),
        (3.0, 250.0),
        (4.0, 350.0),
    ]
