"""Axes go in steps that people count in, and say them shortly."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.pages.charts import scales
from deployments.pages.charts.scales import Scale, Tick


def words(scale: Scale) -> list[str]:
    return [tick.text for tick in scale.ticks]


@pytest.mark.parametrize(
    ("width", "step"), [(1.0, 0.2), (0.94, 0.2), (285, 100), (0.011, 0.0025), (7, 2)]
)
def test_an_axis_goes_in_steps_that_people_count_in(width: float, step: float) -> None:
    assert scales.nice_step(width, about=5) == pytest.approx(step)


def test_a_linear_scale_leaves_a_little_room_and_has_round_ticks() -> None:
    scale = scales.linear([1.0, 2.0], about=5, words=scales.number_words)

    assert (scale.low, scale.high) == (0.95, 2.05)
    assert words(scale) == ["1.0", "1.25", "1.5", "1.75", "2.0"]


def test_a_scale_from_zero_shows_zero_also_for_large_values() -> None:
    scale = scales.linear([1041.0], about=3, words=scales.number_words, from_zero=True)

    assert scale.low == 0.0
    assert scale.high == pytest.approx(1093.05)
    assert words(scale) == ["0", "500", "1k"]


def test_one_value_alone_gets_room_of_its_own_size() -> None:
    alone = scales.linear([2.0, 2.0], about=4, words=scales.number_words)
    zero = scales.linear([0.0], about=4, words=scales.number_words, from_zero=True)

    assert (alone.low, alone.high) == (1.0, 3.0)
    assert words(zero) == ["0", "0.25", "0.5", "0.75", "1.0"]


def test_the_end_of_the_x_axis_is_named_and_what_is_too_near_gives_way() -> None:
    scale = scales.along(285.0, about=6, step=50.0, words=scales.whole_words)

    assert words(scale) == ["0", "50", "100", "150", "200", "250", "285"]
    near = scales.along(260.0, about=6, step=50.0, words=scales.whole_words)
    assert words(near)[-2:] == ["200", "260"]


def log_words(*values: float) -> list[str]:
    scale = scales.logarithmic(values, about=5, words=scales.number_words)
    return words(scale) if scale else []


def test_a_logarithmic_scale_goes_in_powers_of_ten() -> None:
    scale = scales.logarithmic([0.0001, 1.0], about=5, words=scales.number_words)

    assert scale is not None
    assert words(scale) == ["1e-4", "0.001", "0.01", "0.1", "1"]
    assert scale.share(0.01) == pytest.approx(0.5)
    assert not scale.shows(0.0)


def test_a_short_logarithmic_scale_has_marks_in_between_or_plain_round_numbers() -> None:
    assert log_words(0.9, 11.0) == ["1", "2", "5", "10"]
    assert log_words(1.05, 2.0) == ["1.25", "1.5", "1.75", "2.0"]


def test_without_a_value_above_zero_there_is_no_logarithm() -> None:
    assert scales.logarithmic([0.0, -1.0], about=5, words=scales.number_words) is None


def test_a_logarithmic_scale_spares_the_reader_hundreds_of_powers() -> None:
    scale = scales.logarithmic([1e-200, 1.0], about=5, words=scales.number_words)

    assert scale is not None
    assert len(scale.ticks) <= 7
    assert scale.share(1e-200) == 0.0


@given(st.lists(st.floats(1e-200, 1e200), min_size=1, max_size=9), st.integers(3, 6))
def test_a_logarithmic_scale_has_few_ticks_and_all_within(values: list[float], about: int) -> None:
    scale = scales.logarithmic(values, about=about, words=scales.number_words)

    assert scale is not None
    assert 2 <= len(scale.ticks) <= 2 * about + 4
    assert all(scale.low <= tick.value <= scale.high for tick in scale.ticks)
    assert max(values) <= scale.high


@pytest.mark.parametrize(
    ("seconds", "step"), [(50, 10), (1909, 600), (7200, 1800), (100_000, 21600), (9e6, 1_814_400)]
)
def test_time_goes_in_steps_of_a_clock(seconds: float, step: float) -> None:
    assert scales.clock_step(seconds, about=5) == step


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (40, "40 s"),
        (1500, "25 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86400, "1 d"),
        (194_400, "2 d 6 h"),
    ],
)
def test_time_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert scales.clock_words(seconds, 60) == text


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (1.75, 0.25, "1.75"),
        (1.5, 0.25, "1.5"),
        (2.0, 0.25, "2.0"),
        (12.0, 12.0, "12"),
        (500.0, 500.0, "500"),
        (1500.0, 500.0, "1.5k"),
        (0.0002, 0.0001, "2e-4"),
        (-0.5, 0.5, "-0.5"),
        (2e15, 1e15, "2e15"),
        (0.0, 0.5, "0"),
    ],
)
def test_figures_beside_an_axis_are_short(value: float, step: float, text: str) -> None:
    assert scales.number_words(value, step) == text


def test_money_and_shares_keep_their_signs() -> None:
    assert scales.money_words(0.5, 0.5) == "$0.50"
    assert scales.money_words(1200.0, 200.0) == "$1,200"
    assert scales.percent_words(50.0, 50.0) == "50\N{NO-BREAK SPACE}%"


@given(
    st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=20), st.booleans()
)
def test_every_value_lies_on_its_scale_and_no_two_ticks_share_a_place(
    values: list[float], from_zero: bool
) -> None:
    scale = scales.linear(values, about=4, words=scales.number_words, from_zero=from_zero)

    shares = [scale.share(tick.value) for tick in scale.ticks]
    assert all(scale.low <= value <= scale.high for value in values)
    assert all(0 <= scale.share(value) <= 1 for value in values)
    assert shares == sorted(set(shares))
    assert 2 <= len(shares) <= 12


@given(st.floats(min_value=0.5, max_value=1e9), st.integers(2, 8))
def test_an_x_axis_has_few_ticks_in_order(high: float, about: int) -> None:
    step = scales.nice_step(high, about=about)

    ticks = scales.along(high, about=about, step=step, words=scales.number_words).ticks

    assert ticks[0] == Tick(0.0, "0")
    assert [tick.value for tick in ticks] == sorted(tick.value for tick in ticks)
    assert math.isclose(ticks[-1].value, high)
    assert len(ticks) <= about + 2
