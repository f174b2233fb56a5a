"""The loss chart, drawn on the server: axes, lines, gaps and the sentence that tells it."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.history import Series
from deployments.pages import charts

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def series(values: list[float | None], *, every: int = 1) -> Series:
    steps = [every * number for number in range(1, len(values) + 1)]
    return Series(step=steps, value=values, time=[NOON] * len(values))


def test_before_the_first_value_there_is_no_chart() -> None:
    assert charts.loss_chart(None, None, total_steps=10, epochs=1) is None
    assert charts.loss_chart(series([None]), None, total_steps=10, epochs=1) is None


def test_the_chart_is_told_in_one_sentence() -> None:
    chart = charts.loss_chart(series([2.0, 1.0]), series([1.5]), total_steps=2, epochs=1)

    assert chart is not None
    assert chart.sentence == (
        "Training loss over 2 steps, from 2.000 to 1.444; evaluation loss now 1.500."
    )


def test_a_value_that_is_not_finite_breaks_the_raw_line() -> None:
    chart = charts.loss_chart(series([2.0, 1.9, None, 1.8]), None, total_steps=4, epochs=1)

    assert chart is not None
    assert chart.wide.raw.count("M") == 2
    assert chart.wide.smooth.count("M") == 1


def test_epochs_are_marked_where_they_end() -> None:
    chart = charts.loss_chart(series([2.0, 1.0]), None, total_steps=285, epochs=3.0)

    assert chart is not None
    assert [mark.text for mark in chart.wide.epochs] == ["epoch 1", "epoch 2", "epoch 3"]
    assert chart.wide.epochs[-1].at == chart.wide.right


@pytest.mark.parametrize("epochs", [0.5, 1.5, 40.0])
def test_parts_of_epochs_and_a_crowd_of_them_are_not_marked(epochs: float) -> None:
    chart = charts.loss_chart(series([2.0, 1.0]), None, total_steps=100, epochs=epochs)

    assert chart is not None
    assert chart.wide.epochs == ()


def test_the_best_evaluation_is_the_lowest_and_keeps_its_step() -> None:
    chart = charts.loss_chart(
        series([2.0] * 30), series([1.5, 1.2, 1.3], every=10), total_steps=30, epochs=1
    )

    assert chart is not None
    assert (chart.best_eval, chart.best_step, chart.newest_eval) == (1.2, 20, 1.3)


def test_a_long_series_is_thinned_out_and_keeps_its_newest_point() -> None:
    chart = charts.loss_chart(
        series([2.0 - i / 9000 for i in range(9000)]), None, total_steps=9000, epochs=1
    )

    assert chart is not None
    assert chart.wide.raw.count("L") <= charts.MAX_POINTS + 1
    assert chart.steps == 9000


@given(
    st.lists(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False), min_size=1, max_size=40),
    st.integers(min_value=0, max_value=10_000),
)
def test_whatever_the_values_the_drawing_stays_in_its_frame(
    values: list[float], total: int
) -> None:
    chart = charts.loss_chart(series(list(values)), None, total_steps=total or None, epochs=1)

    assert chart is not None
    for plot in (chart.wide, chart.phone):
        numbers = [float(text) for text in re.findall(r"-?[\d.]+(?:e[+-]?\d+)?", plot.raw)]
        assert all(plot.left - 0.1 <= x <= plot.right + 0.1 for x in numbers[::2])
        assert all(plot.top - 0.1 <= y <= plot.bottom + 0.1 for y in numbers[1::2])


@pytest.mark.parametrize(
    ("width", "step"), [(1.0, 0.2), (0.94, 0.2), (285, 100), (0.011, 0.0025), (7, 2)]
)
def test_an_axis_goes_in_steps_that_people_count_in(width: float, step: float) -> None:
    assert charts.nice_step(width, about=5) == pytest.approx(step)


def test_a_small_drawing_needs_two_points() -> None:
    assert charts.sparkline([(1, 2.0)], total_steps=10) is None
    spark = charts.sparkline([(1, 2.0), (5, 1.0)], total_steps=10)

    assert spark is not None
    assert spark.steps == 5
    assert spark.newest.x < 98
