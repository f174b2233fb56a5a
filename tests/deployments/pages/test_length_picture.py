"""The histogram of row lengths: its scale, its line, its words."""

import pytest

from datasets.lengths import LengthCounter, RowLengths
from deployments.pages import length_picture


def lengths(*given: int) -> RowLengths:
    counter = LengthCounter()
    for length in given:
        counter.add(length, answer_tokens=0)
    return counter.lengths()


def test_bars_lie_within_the_picture_and_the_tallest_fills_it() -> None:
    picture = length_picture.of(lengths(*range(10, 1000, 7), 400, 400, 400), max_length=512)

    assert max(bar.height for bar in picture.bars) == length_picture.HEIGHT
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 for bar in picture.bars)
    assert all(bar.y + bar.height == pytest.approx(picture.base) for bar in picture.bars)


def test_what_lies_beyond_the_max_length_is_drawn_and_counted_apart() -> None:
    picture = length_picture.of(lengths(*[100] * 50, 900, 950), max_length=512)

    assert picture.rows_beyond == 2
    assert [bar.is_beyond for bar in picture.bars] == [False, True, True]
    assert picture.line_x is not None
    assert 53 < picture.line_x < 55
    assert "2\N{NO-BREAK SPACE}rows are longer than the max length of 512." in picture.words


def test_a_max_length_that_no_row_reaches_has_no_line() -> None:
    picture = length_picture.of(lengths(10, 20, 30), max_length=512)

    assert picture.line_x is None
    assert not picture.is_line_on_axis
    assert "No row is longer than the max length of 512." in picture.words


def test_one_giant_does_not_press_all_others_into_one_bar() -> None:
    picture = length_picture.of(lengths(*range(100, 500), 1_000_000), max_length=512)

    assert picture.is_cut_off
    assert picture.top == 1024
    assert len(picture.bars) > 5


def test_a_single_short_row_can_be_drawn() -> None:
    picture = length_picture.of(lengths(1), max_length=512)

    assert len(picture.bars) == 1
    assert picture.top == 1
