"""Rent, reserves and bills in US dollars."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import costs
from deployments.models import Machine
from deployments.timing import Timing
from tests.builders import NOON
from tests.deployments.lifecycle.situations import a_machine, ago, refused, unclear

prices = st.decimals("0.01", "99.9999", places=4)
quanta = st.sampled_from([1, 60, 3600])


def up_to(seconds: int) -> st.SearchStrategy[float]:
    """Return durations in whole milliseconds, as databases keep time."""
    return st.integers(0, 1000 * seconds).map(lambda milliseconds: milliseconds / 1000)


durations = up_to(40 * 86400)
SECOND = Decimal(3600)


def per_second(price: Decimal, seconds: float) -> Decimal:
    return price * Decimal(str(seconds)) / SECOND


def cloud_bill(price: Decimal, seconds: float, quantum: int) -> Decimal:
    """Return a cloud's own bill: begun quanta, exact."""
    whole, rest = divmod(Decimal(str(seconds)), quantum)
    return price * (whole + (1 if rest else 0)) * quantum / SECOND


def test_ninety_minutes_at_1_20_usd_an_hour_cost_1_80_usd() -> None:
    assert costs.rent(Decimal("1.20"), seconds=5400, quantum_seconds=60) == Decimal("1.80")


@pytest.mark.parametrize(
    ("seconds", "cents"), [(0, 0), (0.001, 2), (60, 2), (60.001, 4), (-5, 0)], ids=str
)
def test_a_begun_minute_is_paid_and_no_time_is_free(seconds: float, cents: int) -> None:
    rent = costs.rent(Decimal("1.20"), seconds=seconds, quantum_seconds=60)

    assert rent == Decimal(cents) / 100


def test_D8_the_reserve_at_1_29_usd_an_hour_is_11_1_cents() -> None:
    reserve = costs.reserve(Decimal("1.29"), timing=Timing(), quantum_seconds=60)

    assert round(reserve, 3) == Decimal("0.111")


def test_D8_while_collecting_only_the_end_is_still_to_be_paid() -> None:
    reserve = costs.reserve(
        Decimal("3.60"), timing=Timing(), quantum_seconds=60, save_seconds=0, collect_seconds=0
    )

    assert reserve == Decimal("0.13")


@pytest.mark.parametrize(
    ("amount", "shown"), [("0", "0.00"), ("0.0001", "0.01"), ("1.29", "1.29"), ("1.2901", "1.30")]
)
def test_users_are_shown_whole_cents_rounded_up(amount: str, shown: str) -> None:
    assert str(costs.cents_up(Decimal(amount))) == shown


@given(price=prices, seconds=durations, quantum=quanta)
def test_I8_rent_is_never_under_the_clouds_bill_nor_a_ten_thousandth_over_it(
    price: Decimal, seconds: float, quantum: int
) -> None:
    rent = costs.rent(price, seconds=seconds, quantum_seconds=quantum)

    bill = cloud_bill(price, seconds, quantum)
    assert bill <= rent < bill + Decimal("0.0001")


@given(price=prices, seconds=durations, more=durations, quantum=quanta)
def test_F71_rent_never_shrinks_as_time_goes_by(
    price: Decimal, seconds: float, more: float, quantum: int
) -> None:
    earlier = costs.rent(price, seconds=seconds, quantum_seconds=quantum)

    assert earlier <= costs.rent(price, seconds=seconds + more, quantum_seconds=quantum)


@given(
    price=prices,
    alive=up_to(86400),
    before=up_to(40),
    after=up_to(80),
)
def test_I8_our_bill_is_at_most_two_quanta_and_a_minute_over_the_clouds(
    price: Decimal, alive: float, before: float, after: float
) -> None:
    """Two minutes may pass between request and acceptance, and between end and proof."""
    ours = costs.rent(price, seconds=before + alive + after, quantum_seconds=60)

    theirs = cloud_bill(price, alive, 60)
    assert theirs <= ours <= theirs + per_second(price, 2 * 60 + 60) + Decimal("0.0001")


@given(price=prices, seconds=durations, quantum=quanta)
def test_I8_what_is_written_down_is_exactly_what_was_computed(
    price: Decimal, seconds: float, quantum: int
) -> None:
    """The columns keep four places; a database that rounds half down would lose money."""
    rent = costs.rent(price, seconds=seconds, quantum_seconds=quantum)

    field = Machine.billed_usd.field
    assert rent == rent.quantize(Decimal(1).scaleb(-field.decimal_places))


# What a machine has cost by now.


def test_D8_a_machine_costs_from_the_request_on_even_before_an_answer() -> None:
    machine = unclear(requested_at=NOON, launch_ended_at=None)

    assert machine.accrued_usd(NOON) == 0
    assert machine.accrued_usd(NOON.replace(minute=1)) == Decimal("0.02")


def test_a_refused_launch_costs_nothing_even_without_a_bill() -> None:
    assert refused("capacity", billed_usd=None).accrued_usd(ago(0)) == 0


def test_F71_a_final_bill_no_longer_grows() -> None:
    machine = a_machine(gone_at=ago(100), billed_usd=Decimal("0.07"))

    assert machine.accrued_usd(ago(-86400)) == Decimal("0.07")
