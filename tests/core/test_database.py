"""Work is done again while the database is away, and never when it may be done already (F76)."""

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from core import database
from core.database import TRIES, retried
from core.models import RateWindow
from tests.core.locks import hold, impatient, let_go, locked, somebody_else

# Not inside a transaction of the test's own, which the first error would end.
pytestmark = pytest.mark.django_db(transaction=True)


class Counting:
    """Adds one to a row, by reading it first, and counts how often it was tried."""

    def __init__(self) -> None:
        self.tries = 0
        RateWindow.objects.create(subject="one", started=0, used=1)

    def __call__(self) -> int:
        self.tries += 1
        row = RateWindow.objects.get()
        row.used += 1
        row.save()
        return row.used

    @property
    def kept(self) -> int:
        return RateWindow.objects.get().used


@pytest.fixture
def work() -> Counting:
    return Counting()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Make the pauses short, and say how many there were."""
    seen: list[None] = []
    monkeypatch.setattr(database, "pause", lambda: seen.append(None))
    return seen


def test_work_that_meets_nobody_is_done_once(work: Counting) -> None:
    assert (retried(work), work.kept, work.tries) == (2, 2, 1)


def test_F76_a_lock_that_somebody_else_lets_go_costs_one_more_try(
    work: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    with impatient(), somebody_else() as other:
        hold(other, "rate_windows")
        monkeypatch.setattr(database, "pause", lambda: let_go(other))

        assert retried(work) == 2

    assert work.kept == 2


def test_F76_a_lock_that_stays_is_raised_after_three_tries(
    work: Counting, pauses: list[None]
) -> None:
    with impatient(), locked("rate_windows"), pytest.raises(OperationalError):
        retried(work)

    assert len(pauses) == TRIES - 1
    assert work.kept == 1


def test_F76_who_waited_long_for_a_lock_is_not_kept_waiting_again(
    work: Counting, pauses: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RETRIED_WITHIN_SECONDS", 0.04)

    with impatient(), locked("rate_windows"), pytest.raises(OperationalError):
        retried(work)

    assert not pauses


def test_F76_what_somebody_else_wrote_between_our_read_and_our_write_is_not_lost(
    work: Counting, pauses: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL: could not serialize access; SQLite: a snapshot that is no longer the newest."""
    monkeypatch.setattr(connections["default"], "transaction_mode", "DEFERRED", raising=False)

    def overtaken() -> int:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        RateWindow.objects.get()
        if not work.tries:
            with somebody_else() as other:
                add_ten(other)
        return work()

    assert retried(overtaken) == 12
    assert (work.tries, work.kept, len(pauses)) == (2, 12, 1)


def add_ten(other: BaseDatabaseWrapper) -> None:
    with other.cursor() as cursor:
        cursor.execute("UPDATE rate_windows SET used = used + 10")


def test_F76_a_connection_that_is_cut_in_mid_work_is_opened_again(
    work: Counting, pauses: list[None]
) -> None:
    def cut() -> int:
        done = work()
        if work.tries == 1:
            cut_connection()
        return done

    assert retried(cut) == 2
    assert (work.tries, work.kept) == (2, 2)


def cut_connection() -> None:
    """End our own connection from outside; SQLite has none, so it gives the same error."""
    if connection.vendor == "sqlite":
        raise OperationalError("disk I/O error")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (ours,) = cursor.fetchone()
    with somebody_else() as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [ours])
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_F76_when_the_answer_to_the_commit_is_lost_nothing_is_done_again(
    work: Counting, pauses: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = connection.commit

    def commit_without_an_answer() -> None:
        commit()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connections["default"], "commit", commit_without_an_answer)
    with pytest.raises(OperationalError):
        retried(work)

    assert (work.tries, work.kept, len(pauses)) == (1, 2, 0)


def test_inside_another_transaction_only_the_whole_can_be_done_again(
    work: Counting, pauses: list[None]
) -> None:
    def failing() -> None:
        work()
        raise OperationalError("database is locked")

    with transaction.atomic():
        with pytest.raises(OperationalError):
            retried(failing)
        still_usable = RateWindow.objects.get().used

    assert (still_usable, work.tries, len(pauses)) == (1, 1, 0)


def test_an_error_of_ours_is_not_tried_again(work: Counting, pauses: list[None]) -> None:
    def wrong() -> None:
        work()
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    with pytest.raises(DatabaseError):
        retried(wrong)

    assert (work.tries, work.kept, len(pauses)) == (1, 1, 0)
