"""How money, times and sizes are worded (PAGES section 5)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from deployments.templatetags import wording

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def spoken(text: str) -> str:
    """Return the text with plain blanks, as one reads it."""
    return text.replace(wording.SPACE, " ")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1.0535", "$1.06"),
        ("1.05", "$1.05"),
        ("0.0001", "$0.01"),
        ("0", "$0.00"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money_is_rounded_up_to_the_cent(amount: str, text: str) -> None:
    assert wording.usd(Decimal(amount)) == text


@pytest.mark.parametrize("worded", [wording.usd, wording.usd_exact, wording.rate, wording.count])
def test_what_is_not_known_is_said_to_be_so_and_never_zero(worded: object) -> None:
    assert callable(worded)
    assert worded(None) == "not known yet"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0.1110", "$0.111"),
        ("1.5", "$1.50"),
        ("1.29", "$1.29"),
        ("0.7525", "$0.7525"),
        ("1200", "$1,200.00"),
    ],
)
def test_arithmetic_shows_as_many_decimals_as_it_needs(amount: str, text: str) -> None:
    assert wording.usd_exact(Decimal(amount)) == text


def test_a_rate_is_a_price_for_an_hour() -> None:
    assert wording.rate(Decimal("1.29")) == "$1.29 an hour"


@pytest.mark.parametrize(
    ("number", "word", "text"),
    [
        (1, "row", "1 row"),
        (1204, "line", "1,204 lines"),
        (0, "machine", "0 machines"),
        (2, "try,tries", "2 tries"),
    ],
)
def test_a_number_agrees_with_its_noun(number: int, word: str, text: str) -> None:
    assert spoken(wording.counted(number, word)) == text


@pytest.mark.parametrize(("share", "text"), [(62.1, "62 %"), (99.9, "99 %"), (100.0, "100 %")])
def test_a_hundred_percent_means_done(share: float, text: str) -> None:
    assert spoken(wording.percent(share)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.1642, "1.164"),
        (0.0213, "0.021"),
        (7.6e-05, "7.6e-05"),
        (None, "not a number"),
        (0.0, "0.000"),
        (12345.0, "1.234e+04"),
    ],
)
def test_a_loss_has_the_digits_that_matter(value: float | None, text: str) -> None:
    assert wording.figure(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0002, "2e-4"), (1.0, "1"), (0.03, "0.03"), (1.5e-5, "1.5e-5"), (0, "0")]
)
def test_a_setting_reads_as_one_would_type_it(value: float, text: str) -> None:
    assert wording.plain(value) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (2_100, "2.1 kB"),
        (84_100_000, "84 MB"),
        (1_900_000, "1.9 MB"),
        (999_600, "1.0 MB"),
        (1_320_000_000_000, "1.3 TB"),
    ],
)
def test_sizes_are_in_decimal_units(size_bytes: int, text: str) -> None:
    assert spoken(wording.size(size_bytes)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "3 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (1909, "31 min 49 s"),
        (3600, "1 h"),
        (7260, "2 h 1 min"),
        (93_600, "1 d 2 h"),
        (-5, "0 s"),
    ],
)
def test_what_runs_is_timed_to_the_second(seconds: float, text: str) -> None:
    assert spoken(wording.duration(seconds)) == text


@pytest.mark.parametrize(("seconds", "text"), [(2904, "49 min"), (1, "1 min"), (7261, "2 h 2 min")])
def test_what_is_billed_counts_begun_minutes(seconds: float, text: str) -> None:
    assert spoken(wording.minutes(seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (10, "less than a minute"),
        (55, "about 1 min"),
        (960, "about 16 min"),
        (5400, "about 1 h 30 min"),
    ],
)
def test_a_forecast_is_rough(seconds: float, text: str) -> None:
    assert spoken(wording.about(seconds)) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(minutes=14), "11:46"),
        (timedelta(hours=18), "yesterday 18:00"),
        (timedelta(hours=-14), "tomorrow 02:00"),
        (timedelta(days=4), "Fri 12:00"),
        (timedelta(days=21), "3 Nov"),
        (timedelta(days=365), "24 Nov 2025"),
    ],
)
def test_a_moment_is_named_as_people_name_it(before: timedelta, text: str) -> None:
    assert wording.moment(NOON - before, NOON) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7, "0:07"), (247, "4:07"), (2118.4, "35:18"), (3723, "1:02:03")],
)
def test_a_column_of_times_reads_like_a_stopwatch(seconds: float, text: str) -> None:
    assert wording.stopwatch(seconds) == text


def test_a_time_in_utc_says_so() -> None:
    berlin = NOON.astimezone(ZoneInfo("Europe/Berlin"))

    assert wording.utc(berlin) == "2026-11-24 12:00:00 UTC"


def test_a_moment_of_proof_has_its_seconds_and_its_day() -> None:
    assert wording.moment_exact(NOON - timedelta(seconds=29), NOON) == "11:59:31"
    assert wording.moment_exact(NOON - timedelta(days=21), NOON) == "3 Nov 12:00:00"


def test_a_time_element_carries_utc_for_hovering_and_for_programs() -> None:
    element = wording.time_of(NOON, exact=True)

    assert 'datetime="2026-11-24T12:00:00+00:00"' in element
    assert 'title="2026-11-24 12:00:00 UTC"' in element


def test_an_icon_is_hidden_from_who_hears_the_page() -> None:
    assert wording.icon("clock") == (
        '<svg class="icon" aria-hidden="true"><use href="/static/icons.svg#clock"></use></svg>'
    )
