"""What people and runs do with datasets: upload, look, delete, and fetch by a signed address."""

import hashlib
import itertools
import json
import secrets
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from core import audit
from core.errors import (
    ConflictError,
    InvalidInputError,
    PermissionDeniedError,
    ServerFaultError,
    UnusableDataError,
)
from core.time import database_now
from datasets import checking, forms, storage, validation
from datasets.in_use import uses_of
from datasets.lengths import LengthCounter, RowLengths
from datasets.models import Dataset, DownloadToken
from datasets.sizes import count_row

TOKEN_LIFETIME = timedelta(hours=2)
# About a second's reading.
MEASURED_AT_ONCE_BYTES = 20_000_000


def create_dataset(
    user: User,
    *,
    file: storage.Readable,
    name: str,
    mapping: Mapping[str, Any] | None = None,
) -> Dataset:
    """Keep an upload, check it, and return the dataset with what was found.

    A large one is ``checking`` until a worker has read it. Data with errors is kept too: its
    ``status`` is then ``invalid`` and its findings say why.
    ``mapping`` names the columns that hold the parts: ``{"prompt": "question", ..}``.
    Raises: TooLargeError while the bytes still come; InvalidInputError for a mapping that maps
    nothing. Neither leaves anything behind.
    """
    name = name.strip()
    if not name:
        raise InvalidInputError("The dataset has no name.", remedy="Name it.", param="name")
    if mapping is not None:
        forms.form_of_mapping(mapping)
    dataset_id = uuid.uuid4()
    with _undone_on_error(dataset_id):
        stored = storage.store_upload(dataset_id, file)
        dataset = Dataset.objects.create(
            id=dataset_id,
            user=user,
            name=name[:200],
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            storage_path=stored.path,
            mapping=dict(mapping) if mapping is not None else None,
            next_check_at=checking.in_hand_until(),
        )
        checking.check(dataset)
        audit.record("dataset.created", actor=user, obj=dataset, sha256=stored.sha256)
    return dataset


def read_again(dataset: Dataset, *, mapping: Mapping[str, Any]) -> Dataset:
    """Check an upload again with a mapping of its columns, and return it with what was found.

    Raises: InvalidInputError for a mapping that maps nothing; ConflictError unless the data has
    errors, for what can be trained on never changes.
    """
    forms.form_of_mapping(mapping)
    wrong = Dataset.objects.active().filter(pk=dataset.pk, status=Dataset.Status.INVALID)
    if not wrong.update(
        status=Dataset.Status.CHECKING,
        mapping=dict(mapping),
        findings=[],
        finding_totals={},
        next_check_at=checking.in_hand_until(),
        check_attempts=0,
    ):
        raise ConflictError(
            f"The dataset {dataset.name} cannot be read in another way.",
            remedy="Upload the file once more, with the mapping.",
        )
    dataset.refresh_from_db()
    checking.check(dataset)
    return dataset


def columns_of(dataset: Dataset) -> dict[str, str]:
    """Return the columns of an upload that has no known form, each with the part it may hold.

    The part is "" where nothing is guessed.
    """
    with storage.path_of(dataset.storage_path).open("rb") as file:
        row = validation.first_row(file)
    if row is None:
        return {}
    guess = {column: part for part, column in (forms.guessed_mapping(row.value) or {}).items()}
    columns = list(row.value)[: forms.MAX_COLUMNS_SHOWN]
    return {column: guess.get(column, "") for column in columns}


def without_repeats(dataset: Dataset) -> tuple[Dataset, int]:
    """Return a new dataset with each row of this one once, and how many rows were left out.

    The old one stays as it is.

    Raises: UnusableDataError unless the dataset is ready.
    """
    seen: set[bytes] = set()
    repeats = 0
    with tempfile.TemporaryFile() as kept, normalised_file(dataset).open("rb") as rows:
        for row in rows:
            digest = hashlib.blake2b(row, digest_size=16).digest()
            if digest not in seen:
                seen.add(digest)
                kept.write(row)
            else:
                repeats += 1
        kept.seek(0)
        name = f"{dataset.name[:180]}, no repeats"
        return create_dataset(dataset.user, file=kept, name=name), repeats


@contextmanager
def _undone_on_error(dataset_id: uuid.UUID) -> Iterator[None]:
    """Leave nothing of an upload that was refused or whose check broke."""
    try:
        yield
    except BaseException:
        Dataset.objects.filter(pk=dataset_id).delete()
        storage.remove(dataset_id)
        raise


def delete_dataset(dataset: Dataset, *, actor: AbstractBaseUser | None) -> None:
    """Remove the data; the row stays for the jobs that were trained on it.

    Raises: ConflictError listing what still needs it (F7, F37).
    """
    with transaction.atomic():
        # The lock makes a deployment that is being accepted wait, and be refused afterwards.
        Dataset.objects.active().select_for_update().filter(pk=dataset.pk).first()
        uses = uses_of(dataset)
        if uses:
            raise ConflictError(
                f"The dataset {dataset.name} is still in use.",
                remedy="Wait for the runs, or cancel them; delete the training configs first.",
                code="E_DATASET_IN_USE",
                details=uses,
            )
        now = database_now()
        # The findings go as well: their excerpts are pieces of the data.
        gone = Dataset.objects.active().filter(pk=dataset.pk).update(deleted_at=now, findings=[])
        if gone:
            DownloadToken.objects.filter(dataset=dataset, revoked_at__isnull=True).update(
                revoked_at=now
            )
            audit.record("dataset.deleted", actor=actor, obj=dataset, sha256=dataset.sha256)
            transaction.on_commit(lambda: storage.remove(dataset.pk))


def normalised_file(dataset: Dataset) -> Path:
    """Return the absolute path of the rows that are trained on; never changed once written.

    Raises: UnusableDataError unless the dataset is ready; ServerFaultError when the file is lost.
    """
    if dataset.is_being_checked:
        raise UnusableDataError(
            f"The dataset {dataset.name} is still being checked.",
            remedy="Wait until its check has ended.",
        )
    if not dataset.is_ready:
        raise UnusableDataError(
            f"The dataset {dataset.name} is not ready to be trained on.",
            remedy="Read its findings, correct the file and upload it again.",
        )
    path = storage.path_of(dataset.normalised_path)
    if not path.is_file():
        raise ServerFaultError(
            f"The rows of dataset {dataset.name} are missing on the disk.",
            remedy="Ask the operator to put the data folder back, or upload the file again.",
            code="E_DATASET_LOST",
        )
    return path


def row_lengths(dataset: Dataset) -> RowLengths | None:
    """Return how long the rows are; None of data that is not ready or not measured.

    Data from before lengths were kept is measured at the first look, if that is quick.
    """
    if dataset.row_lengths is None:
        if not dataset.is_ready or dataset.normalised_size_bytes > MEASURED_AT_ONCE_BYTES:
            return None
        counter = LengthCounter()
        with normalised_file(dataset).open(encoding="utf-8") as file:
            for line in file:
                count_row(counter, json.loads(line))
        dataset.row_lengths = counter.lengths().as_json()
        dataset.save(update_fields=["row_lengths"])
    return RowLengths.read(dataset.row_lengths)


def preview(dataset: Dataset, limit: int = 3) -> list[dict[str, Any]]:
    """Return the first normalised rows; none of a dataset that is not ready."""
    if not dataset.is_ready:
        return []
    with normalised_file(dataset).open(encoding="utf-8") as file:
        return [json.loads(line) for line in itertools.islice(file, limit)]


def mint_token(dataset: Dataset, *, run_id: str) -> str:
    """Return a token with which one run may fetch the dataset for two hours (T5, I16).

    256 random bits, of which only the SHA-256 is kept. A run may hold several: a machine that
    boots slowly gets a fresh one (F36). Times are the database's (F78).
    """
    plaintext = secrets.token_urlsafe(32)
    now = database_now()
    DownloadToken.objects.create(
        token=_hash(plaintext),
        user_id=dataset.user_id,
        dataset=dataset,
        run_id=run_id,
        storage_path=dataset.normalised_path,
        created_at=now,
        expires_at=now + TOKEN_LIFETIME,
    )
    return plaintext


def revoke_tokens(run_id: str) -> None:
    """End all tokens of a run; downloads under way may finish."""
    DownloadToken.objects.filter(run_id=run_id, revoked_at__isnull=True).update(
        revoked_at=database_now()
    )


def open_download(plaintext: str) -> Dataset:
    """Return the dataset a token opens now, and record the use.

    Raises: PermissionDeniedError, the same one whether the token is unknown, expired, revoked or
    issued in the future.
    """
    now = database_now()
    tokens = DownloadToken.objects.filter(
        token=_hash(plaintext), revoked_at__isnull=True, created_at__lte=now, expires_at__gt=now
    )
    token = tokens.select_related("dataset").first()
    # The conditional update is the decision: a token revoked a moment ago opens nothing.
    if token is None or not tokens.update(used_at=Coalesce("used_at", now), uses=F("uses") + 1):
        raise PermissionDeniedError(
            "This download address is not valid.",
            remedy="Ask for a new one: they last two hours and end with their run.",
            code="E_DOWNLOAD_TOKEN",
        )
    return token.dataset


def _hash(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()
