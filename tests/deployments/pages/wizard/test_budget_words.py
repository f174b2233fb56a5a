"""The budget before a start: the bar's lengths, and the landing second by second."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.estimate import Range
from deployments.pages.wizard import budget_words
from deployments.pages.wizard.budget_words import Budget
from deployments.timing import Timing

LIKELY = Range(Decimal("0.80"), Decimal("1.10"))


def budget(
    amount: str = "2.50", hourly: str = "1.29", likely: Range[Decimal] | None = LIKELY
) -> Budget:
    return budget_words.budget(
        Decimal(amount),
        hourly=Decimal(hourly),
        likely=likely,
        timing=Timing(),
        quantum_seconds=60,
    )


def test_d8_what_is_kept_back_is_told_second_by_second() -> None:
    # 10 + 60 + 120 + 60 + 60 = 310 s at 1.29 USD an hour: 0.1111 USD.
    found = budget()

    assert found.headline == ("Training stops at $2.38, so that $0.12 is left for a safe landing.")
    assert found.arithmetic == (
        "From the moment we notice: 10 s, then 60 s to save, 120 s to bring the adapter home, "
        "60 s to end the machine and see it gone, and one last minute that the cloud may round "
        "up. 310 s at $1.29 an hour is $0.111, kept as $0.12."
    )


def test_the_bar_is_the_whole_budget() -> None:
    # 0.80, 1.10 and 2.38 of 2.50.
    found = budget()

    assert (found.low_percent, found.high_percent, found.stop_percent) == (32.0, 44.0, 95.2)
    assert (found.likely_percent, found.kept_percent) == (12.0, 4.8)


def test_a_budget_below_the_likely_total_is_cautioned_about() -> None:
    assert budget().caution == ""
    assert budget("1.00").caution.startswith("At its dearer end the run would be stopped")
    assert budget("0.50").caution.startswith("The run will likely be stopped before its end")


def test_a_budget_below_the_landing_stops_at_once() -> None:
    assert budget("0.05").stop == Decimal(0)


def test_without_an_estimate_only_the_limit_is_drawn() -> None:
    found = budget(likely=None)

    assert found.low_percent is None
    assert [label.text for label in found.above] == ["kept back $0.12"]


def test_what_money_buys_is_rounded_down() -> None:
    # 2.50 / 1.29 = 1.938 hours = 116.3 minutes.
    assert budget_words.buys(Decimal("2.50"), hourly=Decimal("1.29")).startswith("$2.50 buys 1")
    assert "56" in budget_words.buys(Decimal("2.50"), hourly=Decimal("1.29"))


def test_keeping_a_failed_machine_has_its_price() -> None:
    # 10 minutes of 1.29 an hour: 0.215.
    words = budget_words.keeping(10, hourly=Decimal("1.29"))

    assert words == "Keeping it 10 min to look costs $0.22"


@pytest.mark.parametrize(
    ("seconds", "hours"), [(None, None), (Range(10.0, 60.0), 1), (Range(0.0, 3700.0), 3)]
)
def test_twice_the_high_estimate_is_suggested(
    seconds: Range[float] | None, hours: int | None
) -> None:
    assert budget_words.suggested_hours(seconds) == hours


amounts = st.decimals("0.01", "9999", places=2)


@given(amounts, st.decimals("0.01", "100", places=2), amounts, amounts)
def test_nothing_is_drawn_outside_the_bar(
    amount: Decimal, hourly: Decimal, one: Decimal, other: Decimal
) -> None:
    found = budget(str(amount), str(hourly), Range(min(one, other), max(one, other)))

    drawn = [found.low_percent, found.high_percent, found.stop_percent]
    assert all(x is not None and 0 <= x <= 100 for x in drawn)
    assert all(0 <= label.x <= 100 for label in (*found.above, *found.below))
    assert found.stop + found.kept >= found.budget or found.stop > 0
