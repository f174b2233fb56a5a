"""One pace per key, whoever asks (D9)."""

from types import SimpleNamespace
from typing import Any

import pytest

from deployments import pacer
from deployments.models import PacerSlot
from deployments.pacer import DatabasePacer, Kind
from deployments.providers.base import ProviderBusyError
from deployments.timing import Timing
from secrets_vault.models import VaultEntry
from tests import builders
from tests.deployments.lifecycle.threads import at_once
from tests.deployments.virtual import clock as virtual_clock
from tests.deployments.virtual.clock import Clock

TIMING = Timing(request_interval_seconds=1.0, launch_interval_seconds=13.0)


class PacerClock(Clock):
    """A clock that waiting moves on; each look at it takes a millisecond."""

    def __call__(self) -> Any:
        self.advance(0.001)
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def clock(db: None, monkeypatch: pytest.MonkeyPatch) -> PacerClock:
    clock = PacerClock()
    virtual_clock.use(clock, monkeypatch)
    its_time = SimpleNamespace(sleep=clock.advance, monotonic=clock.monotonic)
    monkeypatch.setattr(pacer, "time", its_time)
    return clock


@pytest.fixture
def entry(clock: PacerClock) -> VaultEntry:
    return builders.make_vault_entry()


def waited(clock: PacerClock, entry: VaultEntry, kind: Kind) -> float:
    """Return how long one request of that kind waited."""
    before = clock.now
    DatabasePacer(entry, timing=TIMING).wait(kind)
    return (clock.now - before).total_seconds()


def test_the_first_request_goes_out_at_once(clock: PacerClock, entry: VaultEntry) -> None:
    assert waited(clock, entry, "list") < 0.1


def test_D9_requests_are_a_second_apart(clock: PacerClock, entry: VaultEntry) -> None:
    waited(clock, entry, "list")

    waits = [waited(clock, entry, "list") for _ in range(3)]

    assert all(1 <= wait < 1.3 for wait in waits)


def test_a_pause_of_ones_own_makes_room(clock: PacerClock, entry: VaultEntry) -> None:
    waited(clock, entry, "list")
    clock.advance(5)

    assert waited(clock, entry, "list") < 0.1


def test_D9_terminate_comes_back_before_list_and_list_before_the_rest(
    clock: PacerClock, entry: VaultEntry
) -> None:
    kinds: list[Kind] = ["terminate", "list", "launch", "other"]
    waits = []
    for kind in kinds:
        clock.advance(60)
        waited(clock, entry, "list")
        waits.append(waited(clock, entry, kind))

    assert waits == sorted(waits)
    assert len(set(waits)) == len(waits)


def test_D9_launches_are_thirteen_seconds_apart(clock: PacerClock, entry: VaultEntry) -> None:
    waited(clock, entry, "launch")
    clock.advance(8)

    assert 4 < waited(clock, entry, "launch") < 6


def test_who_would_wait_too_long_is_told_for_how_long(clock: PacerClock, entry: VaultEntry) -> None:
    waited(clock, entry, "launch")

    with pytest.raises(ProviderBusyError) as busy:
        waited(clock, entry, "launch")

    assert 11 < busy.value.retry_after_seconds <= 13
    assert busy.value.retryable


def test_a_launch_does_not_hold_up_other_requests_for_long(
    clock: PacerClock, entry: VaultEntry
) -> None:
    waited(clock, entry, "launch")

    assert waited(clock, entry, "terminate") < 1.1


def test_each_key_has_a_pace_of_its_own(clock: PacerClock, entry: VaultEntry) -> None:
    other = builders.make_vault_entry()
    waited(clock, entry, "launch")

    assert waited(clock, other, "launch") < 0.1


@pytest.mark.django_db(transaction=True)
def test_D9_of_many_processes_one_gets_the_slot() -> None:
    entry = builders.make_vault_entry()
    crowd = DatabasePacer(entry, timing=Timing(request_interval_seconds=60))

    def try_once() -> bool:
        try:
            crowd.wait("list")
        except ProviderBusyError:
            return False
        return True

    assert sum(at_once(5, try_once)) == 1
    assert PacerSlot.objects.count() == 1
