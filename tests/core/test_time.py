"""Leases and expiry go by the database's clock, not by the host's (D5, F78)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from core.time import database_now

pytestmark = pytest.mark.django_db


def test_the_databases_time_is_aware_utc_and_about_now() -> None:
    moment = database_now()

    assert moment.tzinfo == UTC
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


def test_f78_a_host_whose_clock_is_wrong_does_not_move_it() -> None:
    before = database_now()

    with time_machine.travel(datetime(2001, 1, 1, tzinfo=UTC)):
        during = database_now()

    assert before <= during < before + timedelta(minutes=1)


def test_it_never_runs_backwards_between_two_questions() -> None:
    moments = [database_now() for _ in range(50)]

    assert moments == sorted(moments)
