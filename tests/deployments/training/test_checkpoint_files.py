"""Checkpoints on the machine: whole or not there, and only the newest kept (F51)."""

from pathlib import Path

import pytest

import adapter_files
import checkpoint_files

FILES = {
    "adapter_model.safetensors": b"weights",
    "adapter_config.json": b"{}",
    "optimizer.pt": b"a pickle",
    "rng_state.pth": b"another",
    "trainer_state.json": b"{}",
}


def written(output: Path, step: int) -> Path:
    """Return what Trainer has written of a checkpoint, not yet under its name."""
    part = output / checkpoint_files.UNFINISHED / f"checkpoint-{step}"
    part.mkdir(parents=True)
    for name, content in {**FILES, "notes.log": b"no part of it"}.items():
        (part / name).write_bytes(content)
    return part


def finished(output: Path, step: int) -> Path:
    checkpoint_files.finish(written(output, step), output)
    return output / f"checkpoint-{step}"


def test_F51_a_finished_checkpoint_is_whole_and_tells_each_file_with_its_sha256(
    tmp_path: Path,
) -> None:
    part = written(tmp_path, 5)

    files = checkpoint_files.finish(part, tmp_path)

    assert [Path(file["name"]).name for file in files] == [*FILES, "manifest.json"]
    assert all(
        adapter_files.described(tmp_path / str(file["name"]), below=tmp_path) == file
        for file in files
    )
    assert checkpoint_files.is_whole(tmp_path / "checkpoint-5")
    assert not part.exists()


def test_F51_what_trainer_was_cut_off_at_is_no_checkpoint(tmp_path: Path) -> None:
    written(tmp_path, 5)

    assert adapter_files.checkpoints(tmp_path) == []


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_F51_a_checkpoint_with_a_harmed_file_is_not_whole(
    tmp_path: Path, name: str, harm: str
) -> None:
    folder = finished(tmp_path, 5)
    path = folder / name
    before = path.read_bytes()
    path.unlink()
    if harm != "gone":
        path.write_bytes(before[:-1] if harm == "cut" else before[:-1] + b"?")

    assert not checkpoint_files.is_whole(folder)


def test_a_manifest_of_something_else_makes_nothing_whole(tmp_path: Path) -> None:
    folder = finished(tmp_path, 5)

    for content in ("[]", "{}", '{"files": 3}', '{"files": [{"size": 1}]}'):
        (folder / "manifest.json").write_text(content)
        assert not checkpoint_files.is_whole(folder)


def test_the_newest_are_kept_and_those_that_are_being_brought_home(tmp_path: Path) -> None:
    for step in (5, 10, 15, 100):
        finished(tmp_path, step)

    checkpoint_files.prune(tmp_path, newest=2, held=["checkpoint-5", "../checkpoint-10", ""])

    left = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    assert left == ["checkpoint-100", "checkpoint-15", "checkpoint-5"]


def test_a_step_that_is_saved_again_replaces_what_was_there(tmp_path: Path) -> None:
    folder = finished(tmp_path, 5)
    part = written(tmp_path, 5)
    (part / "optimizer.pt").write_bytes(b"newer")

    checkpoint_files.finish(part, tmp_path)

    assert (folder / "optimizer.pt").read_bytes() == b"newer"
    assert checkpoint_files.is_whole(folder)
