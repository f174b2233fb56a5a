"""Charts of a run: their lines, limits, words and drawings, on every axis."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.event_values import GPU_MEMORY
from deployments.pages.charts import drawing, kinds
from deployments.pages.charts.chart import Chart, chart, losses
from deployments.pages.charts.kinds import View
from deployments.pages.charts.measured import Measured
from deployments.pages.charts.plots import plot, y_scale
from tests.deployments.pages.charts.told import Values, after, buckets, measured, rented

LOSS, EVAL = kinds.TRAIN_LOSS, kinds.EVAL_LOSS
SIZES = (drawing.BESIDE, drawing.ALONE, drawing.HALF, drawing.QUARTER, drawing.PHONE)


def drawn(run: Measured, kind: kinds.Kind = kinds.LOSS, view: View | None = None) -> Chart:
    found = chart(kind, run, view or View())
    assert found is not None
    return found


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_before_the_first_value_there_is_no_chart(kind: kinds.Kind) -> None:
    nothing = measured({name: [None] for name in kinds.METRICS})

    assert chart(kind, measured(), View()) is None
    assert chart(kind, nothing, View()) is None


def test_the_loss_is_told_in_one_sentence() -> None:
    found = drawn(measured({LOSS: [2.0, 1.0], EVAL: {2: 1.5}}))

    assert found.sentence == (
        "Training loss over 2 steps, from 2.000 to 1.444; evaluation loss now 1.500."
    )


def test_other_charts_tell_their_newest_value_and_their_limit() -> None:
    run = measured({GPU_MEMORY: [12.0, 13.3]}, card_gib=24.0)

    found = drawn(run, kinds.MEMORY)

    assert found.sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "GPU memory over 2 steps, now 13.3 GB; the limit is card, 24 GB."
    )


def test_the_limit_is_always_in_the_drawing() -> None:
    run = measured({GPU_MEMORY: [13.0]}, card_gib=24.0)

    found = plot(drawn(run, kinds.MEMORY), drawing.QUARTER)

    assert found.limit is not None
    assert found.top <= found.limit.at <= found.bottom
    assert found.limit.text == "card, 24\N{NO-BREAK SPACE}GB"


def test_the_best_evaluation_is_the_lowest_and_keeps_its_step() -> None:
    told = losses(measured({LOSS: [2.0] * 30, EVAL: {10: 1.5, 20: 1.2, 30: 1.3}}))

    assert told is not None
    assert (told.best_eval, told.best_step, told.newest_eval) == (1.2, 20, 1.3)


def test_the_best_evaluation_is_named_only_when_the_run_is_over() -> None:
    told: dict[str, Values] = {LOSS: [2.0] * 30, EVAL: {10: 1.5, 20: 1.2, 30: 1.3}}

    assert plot(drawn(measured(told)), drawing.BESIDE).best is None
    ended = plot(drawn(measured(told, is_live=False)), drawing.BESIDE)
    assert ended.best == ended.diamonds[1]


def test_a_value_that_is_not_finite_breaks_the_raw_line_only() -> None:
    found = plot(drawn(measured({LOSS: [2.0, 1.9, None, 1.8]})), drawing.BESIDE)

    raw, smooth = found.paths
    assert (raw.css, raw.d.count("M")) == ("line line-raw", 2)
    assert (smooth.css, smooth.d.count("M")) == ("line line-smooth", 1)


def test_the_line_lies_where_its_scales_say() -> None:
    found = plot(drawn(measured({LOSS: [2.0, 1.0]})), drawing.BESIDE)

    # 100 steps over 720 px from 48 on; losses 0.95 to 2.05 over 278 px, from 306 up to 28.
    assert found.paths[0].d == "M55.2 40.6L62.4 293.4"
    assert [tick.text for tick in found.x_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert found.y_ticks[0].text == "1.0"


def test_epochs_are_marked_where_they_end() -> None:
    found = plot(drawn(measured({LOSS: [2.0, 1.0]})), drawing.BESIDE)

    assert [(mark.text, mark.at) for mark in found.epochs] == [("epoch 1", 408), ("epoch 2", 768)]


@pytest.mark.parametrize("epochs", [0.5, 1.5, 40.0])
def test_parts_of_epochs_and_a_crowd_of_them_are_not_marked(epochs: float) -> None:
    found = plot(drawn(measured({LOSS: [2.0, 1.0]}, epochs=epochs)), drawing.BESIDE)

    assert found.epochs == ()


# What lies along x.


def test_epochs_along_x_follow_the_steps() -> None:
    found = drawn(measured({LOSS: [2.0, 1.0]}), view=View(kinds.EPOCH))

    assert found.placed(found.lines[1]) == [(0.02, 2.0), (0.04, 1.0)]
    assert found.x_high == 2.0


def test_time_along_x_begins_with_the_run_and_ends_now() -> None:
    found = drawn(measured({LOSS: [2.0, 1.0]}, until=after(60)), view=View(kinds.TIME))

    assert found.placed(found.lines[1]) == [(10.0, 2.0), (20.0, 1.0)]
    assert found.x_high == 60.0


def test_tokens_along_x_are_those_told_at_the_steps() -> None:
    run = measured({LOSS: {1: 2.0, 3: 1.0}, kinds.TOKENS: {2: 400.0, 4: 800.0}})

    found = drawn(run, view=View(kinds.TOKEN))

    assert found.placed(found.lines[1]) == [(200.0, 2.0), (600.0, 1.0)]
    assert found.x_high == 800.0


@pytest.mark.parametrize("axis", [kinds.TOKEN, kinds.EPOCH])
def test_an_axis_whose_places_nobody_knows_gives_way_to_steps(axis: kinds.Axis) -> None:
    run = measured({LOSS: [2.0]}, epoch_a_step=0.0)

    assert drawn(run, view=View(axis)).view.axis is kinds.STEP


# What is spent.


def test_a_machine_costs_by_begun_minutes_until_it_is_gone() -> None:
    machine = rented(end=after(600), billed=Decimal("0.19"))

    spent = [machine.spent(after(seconds)) for seconds in (-60, 0, 1, 61, 599, 600, 9999)]

    assert spent == [Decimal(text) for text in ("0", "0", "0.02", "0.04", "0.19", "0.19", "0.19")]


def test_the_cost_begins_with_the_first_machine_and_ends_now() -> None:
    run = measured({LOSS: {1: 2.0, 60: 1.0}}, rented=(rented(),), until=after(1200))

    by_step = drawn(run, kinds.COST)
    by_time = drawn(run, kinds.COST, View(kinds.TIME))

    assert by_step.lines[0].points == [(0.0, 0.0), (1.0, 0.02), (60.0, 0.2), (60.0, 0.4)]
    places = by_time.placed(by_time.lines[0])
    assert (places[0], places[100], places[200]) == ((0.0, 0.0), (600.0, 0.2), (1200.0, 0.4))
    assert by_step.newest == "$0.40"
    assert by_step.limit is not None
    assert by_step.limit.text == "budget, $2.50"


def test_before_the_first_step_the_cost_lies_along_time() -> None:
    found = drawn(measured(rented=(rented(),), until=after(600)), kinds.COST)

    assert found.view.axis is kinds.TIME
    assert found.placed(found.lines[0])[-1] == (600.0, 0.2)


def test_money_is_rounded_up_to_the_cent_like_everywhere() -> None:
    assert [kinds.COST.worded(usd) for usd in (0.1901, 0.19, 0.1 + 0.2)] == [
        "$0.20",
        "$0.19",
        "$0.30",
    ]


# Logarithms.


def test_on_a_logarithmic_scale_zero_is_a_gap() -> None:
    run = measured({"train/learning_rate": [0.0, 1e-5, 1e-3]})

    found = plot(drawn(run, kinds.LEARNING_RATE, View(is_log=True)), drawing.HALF)

    assert [tick.text for tick in found.y_ticks] == ["1e-5", "1e-4", "0.001"]
    assert found.paths[0].d.count("L") == 1


def test_where_no_value_is_above_zero_the_scale_stays_linear() -> None:
    run = measured({"train/learning_rate": [0.0]})

    assert not y_scale(drawn(run, kinds.LEARNING_RATE, View(is_log=True)), about=4).is_log


# Whatever the values.


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=40),
    st.integers(min_value=0, max_value=10_000),
    st.sampled_from(kinds.AXES),
    st.booleans(),
)
def test_whatever_the_values_the_drawing_stays_in_its_frame(
    values: list[float | None], total: int, axis: kinds.Axis, is_log: bool
) -> None:
    run = measured({LOSS: values, EVAL: values, kinds.TOKENS: values}, total_steps=total or None)
    found = chart(kinds.LOSS, run, View(axis, is_log))

    assert (found is None) == all(value is None for value in values)
    for size in SIZES if found else ():
        shown = plot(found, size)  # type: ignore[arg-type]  # not None in this loop
        for path in shown.paths:
            numbers = [float(text) for text in re.findall(r"-?[\d.]+(?:e[+-]?\d+)?", path.d)]
            assert all(shown.left <= x <= shown.right for x in numbers[::2])
            assert all(shown.top <= y <= shown.bottom for y in numbers[1::2])


def test_a_run_of_many_steps_is_drawn_with_few_points() -> None:
    run = measured({LOSS: [2 - step / 9000 for step in range(9000)]}, total_steps=9000)

    raw = plot(drawn(run), drawing.BESIDE).paths[0].d
    phone = chart(kinds.LOSS, run, View(), buckets=drawing.PHONE.buckets)

    assert raw.count("L") + raw.count("M") <= 800
    assert phone is not None
    assert len(phone.lines[1].points) <= 2 * drawing.PHONE.buckets + 1


def test_a_small_drawing_of_a_list_needs_two_points() -> None:
    assert drawing.sparkline([(1, 2.0)], total_steps=10) is None
    spark = drawing.sparkline([(1, 2.0), (5, 1.0)], total_steps=10)

    assert spark is not None
    assert spark.path == "M11.6 4L50 24"
    assert (spark.newest.x, spark.steps) == (50.0, 5)


def test_buckets_of_a_builder_are_those_of_the_steps() -> None:
    assert [bucket.last_step for bucket in buckets([1.0, 2.0])] == [1, 2]
