"""How often a caller may ask is counted in the database, for all processes together (T1)."""

import pytest
import time_machine

from core import limits
from core.models import RateWindow
from tests.builders import NOON
from tests.deployments.lifecycle.threads import at_once


@pytest.mark.django_db
def test_a_minute_takes_as_many_as_its_limit_and_the_next_begins_anew() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        taken = [limits.take("token:1:read", limit=2) for _ in range(3)]
        clock.shift(45)
        late = limits.take("token:1:read", limit=2)
        clock.shift(15)
        next_minute = limits.take("token:1:read", limit=2)

    assert [each.is_exceeded for each in taken] == [False, False, True]
    assert [each.remaining for each in taken] == [1, 0, 0]
    assert (taken[0].resets_in_seconds, late.resets_in_seconds) == (60, 15)
    assert late.is_exceeded
    assert (next_minute.is_exceeded, next_minute.remaining) == (False, 1)


@pytest.mark.django_db
def test_callers_are_counted_apart() -> None:
    limits.take("token:1:read", limit=1)

    assert not limits.take("token:2:read", limit=1).is_exceeded


@pytest.mark.django_db
def test_old_minutes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        limits.take("token:1:read", limit=1)
        clock.shift(3600)
        monkeypatch.setattr(limits, "_purged_at", -1e9)
        limits.take("token:2:read", limit=1)

    assert [row.subject for row in RateWindow.objects.all()] == ["token:2:read"]


@pytest.mark.django_db(transaction=True)
def test_no_request_is_lost_when_many_are_counted_at_once() -> None:
    with time_machine.travel(NOON, tick=False):
        taken = at_once(8, lambda: limits.take("token:1:read", limit=5))

    assert sorted(each.used for each in taken) == list(range(1, 9))
    assert sum(each.is_exceeded for each in taken) == 3
