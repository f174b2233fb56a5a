"""Large uploads are answered at once and checked by a worker; a lost check begins anew (D6)."""

import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from core.time import database_now
from datasets import checking, normalising, services, storage, validation
from datasets.models import Dataset
from tests.builders import chat_rows, json_lines, make_dataset, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "CHECKED_AT_ONCE_BYTES", 10)
    monkeypatch.setattr(checking, "NICENESS", 0)


def claimed() -> list[str]:
    """Let the ticker look once; return what it enqueued."""
    enqueued: list[str] = []
    checking.claim_due(database_now(), enqueue=enqueued.append)
    return enqueued


def uploaded(user: User | None = None, content: bytes | None = None) -> Dataset:
    return make_dataset(user, content=content)


def claim_runs_out(dataset: Dataset) -> None:
    Dataset.objects.filter(pk=dataset.pk).update(next_check_at=database_now())


def test_a_large_upload_is_answered_before_it_is_checked() -> None:
    dataset = uploaded()

    assert (dataset.status, dataset.rows, dataset.findings) == ("checking", 0, [])
    assert (dataset.is_ready, dataset.is_being_checked) == (False, True)
    assert dataset.checked_share == 0.0


def test_a_worker_finds_it_and_says_what_is_in_it() -> None:
    dataset = uploaded()

    (pk,) = claimed()
    call_command("check_data", pk)

    dataset.refresh_from_db()
    assert (dataset.status, dataset.rows, dataset.format) == ("ready", 12, "chat")
    assert dataset.checked_share is None
    assert services.preview(dataset) == chat_rows()[:3]
    assert claimed() == []


def test_what_is_wrong_with_it_is_found_there_too() -> None:
    dataset = uploaded(content=b'{"messages": []}\n' * 3)

    checking.check_claimed(*claimed())

    dataset.refresh_from_db()
    assert (dataset.status, dataset.finding_totals) == ("invalid", {"empty_messages": 3})


def test_d6_it_is_claimed_once() -> None:
    uploaded()

    assert len(claimed()) == 1
    assert claimed() == []


def test_one_is_checked_after_the_other() -> None:
    first, second = uploaded(), uploaded()

    assert claimed() == [str(first.pk)]
    checking.check_claimed(str(first.pk))

    assert claimed() == [str(second.pk)]


def test_d6_a_check_that_was_lost_begins_anew() -> None:
    dataset = uploaded()
    claimed()

    claim_runs_out(dataset)

    assert claimed() == [str(dataset.pk)]


def test_a_check_that_breaks_off_each_time_is_given_up_and_says_so() -> None:
    dataset = uploaded()
    for _ in range(checking.MAX_ATTEMPTS):
        assert claimed() == [str(dataset.pk)]
        claim_runs_out(dataset)

    assert claimed() == []

    dataset.refresh_from_db()
    assert dataset.status == "invalid"
    assert dataset.finding_totals == {"check_broke_off": 1}


class TestProgress:
    """How far a check is, as it tells."""

    @pytest.fixture(autouse=True)
    def each_row_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checking, "TELL_SECONDS", -1.0)
        monkeypatch.setattr(validation, "_ROWS_BETWEEN_PROGRESS", 1)

    def test_it_is_written_down_and_keeps_the_claim(self, monkeypatch: pytest.MonkeyPatch) -> None:
        dataset = uploaded(content=json_lines(chat_rows(2000)))
        (pk,) = claimed()
        shares: list[float] = []
        look_at = normalising.normalised

        def looking(*given: Any) -> Any:
            shares.append(Dataset.objects.get(pk=pk).checked_share or 0.0)
            return look_at(*given)

        monkeypatch.setattr(validation, "normalised", looking)
        claim_runs_out(dataset)

        checking.check_claimed(pk)

        assert shares == sorted(shares)
        assert 0.5 < shares[-1] <= 1.0

    @pytest.mark.parametrize(
        "change",
        [{"check_attempts": 7}, {"deleted_at": database_now}],
        ids=["taken over", "deleted"],
    )
    def test_who_is_superseded_ends_and_writes_nothing(self, change: dict[str, Any]) -> None:
        dataset = uploaded()
        (pk,) = claimed()
        values = {name: value() if callable(value) else value for name, value in change.items()}
        mine = checking.Progress(Dataset.objects.get(pk=pk))
        Dataset.objects.filter(pk=pk).update(**values)

        with pytest.raises(checking.SupersededError):
            mine(1)

        dataset.refresh_from_db()
        assert (dataset.status, dataset.checked_bytes) == ("checking", 0)


def test_a_claim_lasts_longer_than_progress_is_silent() -> None:
    assert timedelta(seconds=10 * checking.TELL_SECONDS) < checking.IN_HAND


def test_data_deleted_during_its_check_stays_deleted() -> None:
    dataset = uploaded()
    (pk,) = claimed()
    Dataset.objects.filter(pk=pk).update(deleted_at=database_now())

    checking.check_claimed(pk)

    dataset.refresh_from_db()
    assert dataset.deleted_at is not None
    assert dataset.status == "checking"
    assert claimed() == []


def test_plain_rows_are_not_written_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "MANY_ROWS_AT_ONCE_FROM_BYTES", 0)
    dataset = uploaded()

    checking.check_claimed(*claimed())

    dataset.refresh_from_db()
    rows, upload = services.normalised_file(dataset), storage.path_of(dataset.storage_path)
    assert rows.samefile(upload)
    assert dataset.normalised_sha256 == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert dataset.normalised_size_bytes == rows.stat().st_size


class TestReadingAgain:
    """Data whose columns nobody knew, read with a mapping of them."""

    ROWS = json_lines([{"question": f"{n}?", "answer": f"{n}."} for n in range(12)])

    def test_the_columns_are_told_with_what_they_may_hold(self) -> None:
        dataset = uploaded(content=self.ROWS)

        assert services.columns_of(dataset) == {"question": "prompt", "answer": "completion"}

    def test_the_mapping_makes_it_ready(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checking, "CHECKED_AT_ONCE_BYTES", 10_000)
        dataset = uploaded(content=self.ROWS)
        assert dataset.status == "invalid"

        services.read_again(dataset, mapping={"prompt": "question", "completion": "answer"})

        assert (dataset.status, dataset.rows, dataset.findings) == ("ready", 12, [])


def test_a_small_upload_is_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "CHECKED_AT_ONCE_BYTES", 10_000)

    assert uploaded().status == "ready"


def test_the_file_that_is_checked_is_the_one_that_was_uploaded() -> None:
    content = json_lines(chat_rows())
    dataset = services.create_dataset(make_user(), file=io.BytesIO(content), name="Large")

    assert storage.path_of(dataset.storage_path).read_bytes() == content


def test_a_small_upload_whose_check_died_is_a_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """D6: the process that checked it at once is no more."""
    with monkeypatch.context() as patched:
        patched.setattr(checking, "check", lambda dataset: None)
        dataset = uploaded()
    assert claimed() == []

    assert dataset.next_check_at is not None
    claim_runs_out(dataset)

    assert claimed() == [str(dataset.pk)]


def test_a_second_reading_that_died_is_a_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "CHECKED_AT_ONCE_BYTES", 10_000)
    dataset = uploaded(content=TestReadingAgain.ROWS)

    with monkeypatch.context() as patched:
        patched.setattr(checking, "check", lambda dataset: None)
        services.read_again(dataset, mapping={"prompt": "question", "completion": "answer"})

    assert dataset.next_check_at is not None
    claim_runs_out(dataset)
    assert claimed() == [str(dataset.pk)]
