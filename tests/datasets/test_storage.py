"""Uploaded bytes are private, whole or not there, and named by us (T18)."""

import hashlib
import io
import stat
import uuid
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from core.errors import TooLargeError
from datasets import storage


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_an_upload_is_kept_as_it_came_with_its_sha256(data_folder: Path) -> None:
    content = b"line\r\n" * 100_000

    stored = storage.store_upload(uuid.uuid4(), io.BytesIO(content))

    assert storage.path_of(stored.path).read_bytes() == content
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert stored.size_bytes == len(content)
    assert not Path(stored.path).is_absolute()
    assert storage.path_of(stored.path).is_relative_to(data_folder)


def test_only_the_owner_of_the_process_can_read_it() -> None:
    path = storage.path_of(storage.store_upload(uuid.uuid4(), io.BytesIO(b"x")).path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_upload_of_exactly_the_limit_is_kept(settings: Settings) -> None:
    settings.DATASET_SIZE_LIMIT_BYTES = 1000

    assert storage.store_upload(uuid.uuid4(), io.BytesIO(b"x" * 1000)).size_bytes == 1000


def test_t18_a_larger_upload_is_refused_while_it_comes_and_leaves_nothing(
    settings: Settings, data_folder: Path
) -> None:
    settings.DATASET_SIZE_LIMIT_BYTES = 1_000_000

    class Endless(io.RawIOBase):
        """Gives bytes for ever and counts them."""

        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(TooLargeError) as refused:
        storage.store_upload(uuid.uuid4(), endless)

    assert refused.value.param == "file"
    assert endless.given < 2_000_000
    assert files_below(data_folder) == []


def test_a_file_appears_under_its_name_only_when_it_is_whole(data_folder: Path) -> None:
    dataset_id = uuid.uuid4()

    with storage.writer(dataset_id, "rows.jsonl") as rows:
        rows.write(b"half")
        assert files_below(data_folder) == ["rows.jsonl.part"]
        stored = rows.finish()

    assert files_below(data_folder) == ["rows.jsonl"]
    assert storage.path_of(stored.path).read_bytes() == b"half"


def test_a_writer_that_is_left_early_leaves_nothing(data_folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), storage.writer(uuid.uuid4(), "rows.jsonl") as rows:
        rows.write(b"%d" % (1 // 0))

    assert files_below(data_folder) == []


def test_what_a_killed_process_left_is_written_over(data_folder: Path) -> None:
    dataset_id = uuid.uuid4()
    part = data_folder / "datasets" / str(dataset_id) / "upload.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"rest of a killed upload")

    stored = storage.store_upload(dataset_id, io.BytesIO(b"new"))

    assert storage.path_of(stored.path).read_bytes() == b"new"
    assert files_below(data_folder) == ["upload"]


def test_removing_takes_every_file_of_one_dataset_and_may_be_repeated(data_folder: Path) -> None:
    gone, stays = uuid.uuid4(), uuid.uuid4()
    storage.store_upload(gone, io.BytesIO(b"x"))
    storage.store_upload(stays, io.BytesIO(b"y"))

    storage.remove(gone)
    storage.remove(gone)

    assert [path.name for path in (data_folder / "datasets").iterdir()] == [str(stays)]
