"""Row lengths: counted small, read exactly enough."""

import random

import pytest

from datasets.lengths import LengthCounter, RowLengths, width_of


def counted(lengths: list[int], *, answers: int = 0) -> RowLengths:
    counter = LengthCounter()
    for length in lengths:
        counter.add(length, answer_tokens=answers)
    return counter.lengths()


def test_quantiles_of_a_million_unlike_rows_are_at_most_3_percent_off() -> None:
    pick = random.Random(5)  # noqa: S311
    lengths = sorted(int(pick.lognormvariate(6, 1)) for _ in range(20_000))

    found = counted(lengths)

    for share in (0.05, 0.5, 0.95, 0.99):
        exact = lengths[round(share * len(lengths)) - 1]
        assert found.quantile(share) == pytest.approx(exact, rel=0.03, abs=1)
    assert found.longest == lengths[-1]
    assert found.tokens == sum(lengths)


def test_it_stays_small_however_long_the_rows_are() -> None:
    found = counted([2**n + m for n in range(21) for m in range(0, 2**n, max(1, 2**n // 500))])

    assert len(found.buckets) < 64 + 32 * 15


def test_rows_beyond_a_power_of_two_are_counted_exactly() -> None:
    found = counted([1000, 1023, 1056, 2000, 5000])

    assert found.rows_beyond(1024) == 3
    assert found.rows_beyond(4096) == 1
    assert found.rows_beyond(8192) == 0


def test_cutting_rows_loses_what_lies_beyond() -> None:
    found = counted([100] * 10 + [2000] * 10)

    assert found.tokens_within(4096) == found.tokens
    assert found.tokens_within(1024) == pytest.approx(10 * 100 + 10 * 1024, rel=0.02)


def test_the_answers_share_of_all_tokens_is_what_is_trained_on() -> None:
    assert counted([100, 300], answers=100).answer_share == 0.5
    assert counted([]).answer_share == 0.0
    assert counted([]).median == 0


def test_it_reads_back_as_it_was_written() -> None:
    found = counted([1, 40, 64, 1000, 90_000])

    assert RowLengths.read(found.as_json()) == found


def test_spread_over_bars_no_row_is_lost_and_the_longest_fill_the_last() -> None:
    found = counted([10] * 3 + [95] * 2 + [5000])

    bars = found.spread(top=100, bars=10)

    assert sum(bars) == pytest.approx(6)
    assert bars[1] == 3
    assert bars[-1] == 3


@pytest.mark.parametrize(("length", "width"), [(0, 1), (63, 1), (64, 2), (127, 2), (1024, 32)])
def test_buckets_widen_with_the_length(length: int, width: int) -> None:
    assert width_of(length) == width
