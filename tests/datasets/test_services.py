"""Datasets from upload to deletion, and the tokens by which runs fetch them (I14, I16, F36)."""

import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from core.errors import (
    ConflictError,
    InvalidInputError,
    PermissionDeniedError,
    ServerFaultError,
    TooLargeError,
    UnusableDataError,
)
from core.models import AuditEntry
from core.time import database_now
from datasets import in_use, services, validation
from datasets.models import Dataset, DownloadToken
from tests.builders import chat_rows, json_lines, make_dataset, make_user

pytestmark = pytest.mark.django_db
BAD = b'{"messages": []}\n'


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the things that need any dataset; a test fills the list."""
    needed: list[object] = []
    monkeypatch.setattr(in_use, "_uses", {})
    in_use.register_in_use(lambda dataset: needed)
    return needed


class TestCreating:
    """``create_dataset``."""

    def test_good_data_is_ready_with_its_normalised_rows(self) -> None:
        content = json_lines(chat_rows())

        dataset = make_dataset(content=content)

        dataset.refresh_from_db()
        assert (dataset.status, dataset.format, dataset.rows) == ("ready", "chat", 12)
        assert (dataset.methods, dataset.findings) == (["sft"], [])
        assert dataset.tokens == 12 * 2 * 4 + sum(
            len(message["content"]) // 4 for row in chat_rows() for message in row["messages"]
        )
        assert dataset.sha256 == hashlib.sha256(content).hexdigest()
        assert dataset.size_bytes == len(content)
        rows = services.normalised_file(dataset).read_bytes()
        assert dataset.normalised_sha256 == hashlib.sha256(rows).hexdigest()
        assert dataset.normalised_size_bytes == len(rows)
        assert rows.count(b"\n") == 12

    def test_f7_bad_data_is_kept_with_its_findings_and_cannot_be_trained_on(self) -> None:
        dataset = make_dataset(content=BAD * 150)

        dataset.refresh_from_db()
        assert (dataset.status, dataset.methods, dataset.is_ready) == ("invalid", [], False)
        assert len(dataset.findings) == 100
        assert dataset.finding_totals["empty_messages"] == 150
        assert dataset.normalised_path == ""
        with pytest.raises(UnusableDataError):
            services.normalised_file(dataset)

    def test_the_same_bytes_twice_are_two_datasets_of_their_own(self) -> None:
        one, other = make_dataset(), make_dataset()

        assert one.sha256 == other.sha256
        assert services.normalised_file(one) != services.normalised_file(other)

    def test_a_mapping_is_kept_with_the_data_it_made_readable(self) -> None:
        rows = [{"question": f"{n}?", "answer": f"{n}."} for n in range(12)]
        mapping = {"prompt": "question", "completion": "answer"}

        dataset = make_dataset(content=json_lines(rows), mapping=mapping)

        assert (dataset.status, dataset.mapping) == ("ready", mapping)
        assert services.preview(dataset, limit=1) == [{"prompt": "0?", "completion": "0."}]

    @pytest.mark.parametrize(
        ("changes", "param"), [({"name": "  "}, "name"), ({"mapping": {"a": "b"}}, "mapping")]
    )
    def test_what_cannot_be_done_is_refused_before_a_byte_is_kept(
        self, data_folder: Path, changes: dict[str, Any], param: str
    ) -> None:
        with pytest.raises(InvalidInputError) as refused:
            make_dataset(**changes)

        assert refused.value.param == param
        assert not (data_folder / "datasets").exists()

    def test_t18_too_large_an_upload_leaves_neither_row_nor_file(
        self, settings: Settings, data_folder: Path
    ) -> None:
        settings.DATASET_SIZE_LIMIT_BYTES = 10

        with pytest.raises(TooLargeError):
            make_dataset()

        assert not Dataset.objects.exists()
        assert list((data_folder / "datasets").iterdir()) == []

    def test_a_check_that_breaks_leaves_neither_row_nor_file(
        self, monkeypatch: pytest.MonkeyPatch, data_folder: Path
    ) -> None:
        def broken(*args: object, **kwargs: object) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(validation, "check", broken)

        with pytest.raises(OSError, match="the disk is full"):
            make_dataset()

        assert not Dataset.objects.exists()
        assert list((data_folder / "datasets").iterdir()) == []

    def test_i19_an_upload_leaves_an_audit_row(self) -> None:
        dataset = make_dataset()

        entry = AuditEntry.objects.get(action="dataset.created")
        assert (entry.object_id, entry.who) == (str(dataset.pk), dataset.user.username)


class TestDeleting:
    """``delete_dataset``."""

    def test_the_files_go_and_the_row_stays_for_the_jobs_it_served(
        self,
        uses: list[object],
        data_folder: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        dataset = make_dataset()

        with django_capture_on_commit_callbacks(execute=True):
            services.delete_dataset(dataset, actor=dataset.user)

        kept = Dataset.objects.get(pk=dataset.pk)
        assert kept.deleted_at is not None
        assert (kept.sha256, kept.is_ready) == (dataset.sha256, False)
        assert not Dataset.objects.active().exists()
        assert list((data_folder / "datasets").iterdir()) == []
        assert AuditEntry.objects.filter(action="dataset.deleted").count() == 1

    def test_pieces_of_the_data_in_the_findings_go_too(self, uses: list[object]) -> None:
        dataset = make_dataset(content=b'{"private": "text"}\n')

        services.delete_dataset(dataset, actor=None)

        assert "private" not in str(Dataset.objects.values().get())

    def test_f37_data_that_a_run_needs_is_kept_and_the_runs_are_listed(
        self, uses: list[object]
    ) -> None:
        dataset = make_dataset()
        uses.append({"deployment_id": "d1"})

        with pytest.raises(ConflictError) as refused:
            services.delete_dataset(dataset, actor=dataset.user)

        assert refused.value.code == "E_DATASET_IN_USE"
        assert refused.value.details == [{"deployment_id": "d1"}]
        assert services.normalised_file(dataset).exists()

    def test_its_tokens_open_nothing_any_more(self, uses: list[object]) -> None:
        dataset = make_dataset()
        token = services.mint_token(dataset, run_id="run-1")

        services.delete_dataset(dataset, actor=None)

        with pytest.raises(PermissionDeniedError):
            services.open_download(token)

    def test_deleting_again_changes_nothing(self, uses: list[object]) -> None:
        dataset = make_dataset()
        services.delete_dataset(dataset, actor=None)
        first = Dataset.objects.get().deleted_at

        services.delete_dataset(dataset, actor=None)

        assert Dataset.objects.get().deleted_at == first


class TestReading:
    """``normalised_file`` and ``preview``."""

    def test_the_file_is_named_absolutely(self, data_folder: Path) -> None:
        path = services.normalised_file(make_dataset())

        assert path.is_absolute()
        assert path.is_relative_to(data_folder)

    def test_a_file_that_is_lost_is_our_fault_and_says_so(self) -> None:
        dataset = make_dataset()
        services.normalised_file(dataset).unlink()

        with pytest.raises(ServerFaultError) as refused:
            services.normalised_file(dataset)

        assert refused.value.code == "E_DATASET_LOST"

    def test_the_first_rows_are_shown_as_they_are_trained_on(self) -> None:
        assert services.preview(make_dataset()) == chat_rows()[:3]

    def test_data_that_is_not_ready_has_no_rows_to_show(self) -> None:
        assert services.preview(make_dataset(content=BAD)) == []


class TestTokens:
    """``mint_token``, ``revoke_tokens``, ``open_download``."""

    def test_the_database_holds_only_the_hash_of_256_random_bits(self) -> None:
        token = services.mint_token(make_dataset(), run_id="run-1")

        row = DownloadToken.objects.values().get()
        assert len(token) == 43
        assert row["token"] == hashlib.sha256(token.encode()).hexdigest()
        assert token not in str(row)

    def test_it_lasts_two_hours_of_the_databases_clock(self) -> None:
        before = database_now()
        services.mint_token(make_dataset(), run_id="run-1")

        row = DownloadToken.objects.get()
        assert before <= row.created_at <= database_now()
        assert row.expires_at - row.created_at == timedelta(hours=2)

    def test_it_opens_the_one_dataset_it_was_made_for(self) -> None:
        one, other = make_dataset(), make_dataset()

        token = services.mint_token(one, run_id="run-1")

        assert services.open_download(token) == one
        assert services.open_download(services.mint_token(other, run_id="run-2")) == other

    def test_f36_a_run_may_hold_several_and_the_end_of_the_run_ends_them_all(self) -> None:
        dataset = make_dataset()
        ours = [services.mint_token(dataset, run_id="run-1") for _ in range(3)]
        another = services.mint_token(dataset, run_id="run-2")
        assert all(services.open_download(token) for token in ours)

        services.revoke_tokens("run-1")

        for token in ours:
            with pytest.raises(PermissionDeniedError):
                services.open_download(token)
        assert services.open_download(another) == dataset

    def test_revoking_twice_keeps_the_first_time(self) -> None:
        services.mint_token(make_dataset(), run_id="run-1")
        services.revoke_tokens("run-1")
        first = DownloadToken.objects.get().revoked_at

        services.revoke_tokens("run-1")

        assert DownloadToken.objects.get().revoked_at == first

    def test_each_use_is_counted_and_the_first_is_noted(self) -> None:
        token = services.mint_token(make_dataset(), run_id="run-1")
        services.open_download(token)
        first = DownloadToken.objects.get().used_at

        services.open_download(token)

        row = DownloadToken.objects.get()
        assert (row.uses, row.used_at) == (2, first)
        assert first is not None

    def test_a_fresh_token_is_good_at_once(self) -> None:
        dataset = make_dataset()

        for number in range(20):
            token = services.mint_token(dataset, run_id=f"run-{number}")
            assert services.open_download(token) == dataset

    # From long ago to far ahead; the exact present would race with the clock.
    @given(
        issued=st.integers(-(10**7), 10**7).filter(lambda seconds: abs(seconds) > 5),
        expires=st.integers(-(10**7), 10**7).filter(lambda seconds: abs(seconds) > 5),
        revoked=st.booleans(),
    )
    @hypothesis_settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    def test_i16_none_is_taken_before_its_issue_after_its_expiry_or_after_revocation(
        self, issued: int, expires: int, revoked: bool
    ) -> None:
        dataset = Dataset.objects.first() or make_dataset()
        token = services.mint_token(dataset, run_id="run-1")
        now = database_now()
        row = DownloadToken.objects.filter(token=hashlib.sha256(token.encode()).hexdigest())
        row.update(
            created_at=now + timedelta(seconds=issued),
            expires_at=now + timedelta(seconds=expires),
            revoked_at=now if revoked else None,
        )

        if issued < 0 < expires and not revoked:
            assert services.open_download(token) == dataset
        else:
            with pytest.raises(PermissionDeniedError):
                services.open_download(token)
            assert row.get().uses == 0

    @pytest.mark.parametrize("text", ["", "x", "\0", "\ud800", "x" * 10_000])
    def test_i16_what_was_never_issued_opens_nothing(self, text: str) -> None:
        services.mint_token(make_dataset(), run_id="run-1")

        with pytest.raises(PermissionDeniedError):
            services.open_download(text)

    def test_i16_the_stored_hash_itself_opens_nothing(self) -> None:
        services.mint_token(make_dataset(), run_id="run-1")

        with pytest.raises(PermissionDeniedError):
            services.open_download(DownloadToken.objects.get().token)


def test_an_upload_may_be_any_source_of_bytes() -> None:
    class Slow(io.RawIOBase):
        """Gives a few bytes at a time."""

        def __init__(self, content: bytes) -> None:
            self.rest = content

        def read(self, size: int = -1, /) -> bytes:
            given, self.rest = self.rest[:100], self.rest[100:]
            return given

    dataset = services.create_dataset(make_user(), file=Slow(json_lines(chat_rows())), name="slow")

    assert dataset.status == "ready"
