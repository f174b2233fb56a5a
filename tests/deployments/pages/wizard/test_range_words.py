"""Ranges of time and money never look like a single number."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.estimate import Range
from deployments.pages.wizard import range_words

HOUR, DAY = 3600.0, 86400.0


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (5.0, 50.0, "less than a minute"),
        (37 * 60 + 5.0, 50 * 60 + 1.0, "37 to 51 min"),
        (10.0, 119.0, "1 to 2 min"),
        (300.0, 300.0, "5 min"),
        (2.55 * HOUR, 5.01 * HOUR, "2.5 to 5.1 h"),
        (9 * HOUR, 30.2 * HOUR, "9 to 31 h"),
        (1.54 * DAY, 13.2 * DAY, "1.5 to 14 days"),
    ],
)
def test_times_widen_to_round_figures(low: float, high: float, words: str) -> None:
    assert range_words.time(Range(low, high)).replace("\N{NO-BREAK SPACE}", " ") == words


def test_money_is_told_in_cents_and_once_if_it_is_the_same() -> None:
    assert range_words.money(Range(Decimal("0.80"), Decimal("1.10"))) == "$0.80 to $1.10"
    assert range_words.money(Range(Decimal("0.80"), Decimal("0.80"))) == "$0.80"


def test_what_is_not_known_is_said_to_be_so() -> None:
    assert range_words.money(None) == range_words.time(None) == "not known yet"


@given(st.floats(0, 1e8), st.floats(0, 1e8))
def test_any_range_has_words(one: float, other: float) -> None:
    assert range_words.time(Range(min(one, other), max(one, other)))
