"""Checking uploads: small ones at once, large ones by a process of the worker's (D6).

The row is the order: ``status`` is checking and ``next_check_at`` says when somebody may take it.
Whoever checks puts that off again and again; when it dies, its claim runs out and the check begins
anew. ``check_attempts`` numbers the claims: only the newest may write.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from core.database import retried
from core.time import database_now
from datasets import formats, storage, validation
from datasets.findings import Finding, Findings, Severity
from datasets.models import Dataset

logger = logging.getLogger(__name__)

# Text packs well: this many times the bytes of the largest upload are unpacked, no more.
UNPACKED_TO_UPLOADED = 8
# About a second's work; what is larger is left to a worker.
CHECKED_AT_ONCE_BYTES = 5_000_000
# Checks use whole cores, and nobody is in a hurry.
CHECKS_AT_ONCE = 1
NICENESS = 10
MAX_ATTEMPTS = 3
IN_HAND = timedelta(seconds=60)
TELL_SECONDS = 1.0


class SupersededError(Exception):
    """Somebody else has taken the check over, or the data was deleted."""


def in_hand_until() -> datetime:
    """Return when a check that is begun now counts as dead, and is a worker's to begin anew."""
    return database_now() + IN_HAND


def check(dataset: Dataset) -> None:
    """Check an upload now if it is small; else leave it to a worker, which looks each second."""
    if dataset.size_bytes > CHECKED_AT_ONCE_BYTES:
        _rows(dataset).update(next_check_at=database_now(), checked_bytes=0, check_attempts=0)
    else:
        _finish(dataset, _result_of(dataset))
    dataset.refresh_from_db()


def claim_due(now: datetime, *, enqueue: Callable[[str], object]) -> int:
    """Claim what waits for its check, in the transaction that enqueues it; return how many."""
    waiting = Dataset.objects.active().filter(status=Dataset.Status.CHECKING)
    in_hand = waiting.filter(next_check_at__gt=now).count()
    claimed = 0
    for row in waiting.filter(next_check_at__lte=now).order_by("next_check_at"):
        if in_hand + claimed >= CHECKS_AT_ONCE:
            break
        if row.check_attempts >= MAX_ATTEMPTS:
            _finish(row, _given_up())
            continue
        with transaction.atomic():
            mine = waiting.filter(pk=row.pk, next_check_at=row.next_check_at)
            if mine.update(next_check_at=now + IN_HAND, check_attempts=F("check_attempts") + 1):
                enqueue(str(row.pk))
                claimed += 1
    return claimed


def check_claimed(dataset_id: str) -> None:
    """Check an upload that was claimed, telling how far it is; end early if it is superseded."""
    dataset = Dataset.objects.get(pk=dataset_id)
    if dataset.status != Dataset.Status.CHECKING:
        return
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(SupersededError):
        _finish(dataset, _result_of(dataset, progress=Progress(dataset)))


class Progress:
    """Writes down how far a check is, at most once a second, and so keeps its claim."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._told = time.monotonic()

    def __call__(self, done_bytes: int) -> None:
        if time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        until = in_hand_until()
        changed = retried(
            lambda: _rows(self._dataset).update(checked_bytes=done_bytes, next_check_at=until)
        )
        if not changed:
            raise SupersededError(str(self._dataset.pk))


def _rows(dataset: Dataset) -> QuerySet[Dataset]:
    """The row of a check that is still ours to write."""
    return Dataset.objects.active().filter(
        pk=dataset.pk,
        status=Dataset.Status.CHECKING,
        check_attempts=dataset.check_attempts,
    )


def _result_of(
    dataset: Dataset, *, progress: Callable[[int], object] = lambda done: None
) -> dict[str, Any]:
    """Read the upload, keep its good rows if it has no errors, and return the row's new values."""
    upload = storage.path_of(dataset.storage_path)
    with upload.open("rb") as file, storage.writer(dataset.pk, storage.NORMALISED) as rows:
        outcome = validation.check(
            file,
            mapping=dataset.mapping,
            write=rows.write,
            progress=progress,
            many_at_once_from=validation.MANY_ROWS_AT_ONCE_FROM_BYTES,
            unpacked_limit=UNPACKED_TO_UPLOADED * settings.DATASET_SIZE_LIMIT_BYTES,
        )
        stored = rows.finish() if outcome.is_ready and not outcome.is_as_uploaded else None
    if outcome.is_ready and outcome.is_as_uploaded:
        same = storage.Stored(dataset.storage_path, dataset.sha256, dataset.size_bytes)
        stored = storage.same_as_upload(dataset.pk, same)
    values: dict[str, Any] = {
        "status": Dataset.Status.INVALID,
        "format": outcome.format,
        "rows": outcome.rows,
        # Unknown is shown as unknown: nothing was counted in data of no known form.
        "tokens": outcome.tokens if outcome.format else None,
        "row_lengths": outcome.lengths.as_json() if outcome.is_ready else None,
        **_told(outcome.findings),
    }
    if stored is not None:
        values |= {
            "status": Dataset.Status.READY,
            "methods": formats.methods_of(outcome.format),
            "normalised_path": stored.path,
            "normalised_sha256": stored.sha256,
            "normalised_size_bytes": stored.size_bytes,
        }
    return values


def _told(findings: Findings) -> dict[str, Any]:
    return {"findings": findings.listed(), "finding_totals": findings.totals}


def _given_up() -> dict[str, Any]:
    findings = Findings()
    findings.add(
        Finding(
            code="check_broke_off",
            severity=Severity.ERROR,
            message=f"The check broke off {MAX_ATTEMPTS} times before it had read the file.",
            fix="Upload fewer rows at once, or ask the operator: the worker's log says why.",
        )
    )
    return {"status": Dataset.Status.INVALID, **_told(findings)}


def _finish(dataset: Dataset, values: dict[str, Any]) -> None:
    # The check took its time, and a connection may have been cut meanwhile (F76).
    retried(lambda: _rows(dataset).update(next_check_at=None, **values))
