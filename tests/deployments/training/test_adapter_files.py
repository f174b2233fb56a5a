"""What leaves the machine: sound, finite, named as the world knows it, and no pickles."""

import json
import struct
from pathlib import Path

import pytest

import adapter_files
from agent_failures import RunFailedError


def write_adapter(folder: Path, tensors: dict[str, tuple[str, bytes]]) -> Path:
    """Write safetensors as their format says, with a config beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    header, body = {}, b""
    for name, (kind, content) in tensors.items():
        header[name] = {
            "dtype": kind,
            "shape": [1],
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    text = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + body
    )
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/u/base_model"}')
    return folder


def bfloat16(value: float) -> bytes:
    return struct.pack("<f", value)[2:]


FINITE = {
    "F32": struct.pack("<3f", 1.5, -3.4e38, 0.0),
    "F16": struct.pack("<3e", 1.5, -65504, 0.0),
    "F64": struct.pack("<2d", 1.5, -1.7e308),
    "BF16": bfloat16(1.5) + bfloat16(-3e38),
}
NOT_FINITE = {
    "F32": struct.pack("<2f", 1.5, float("nan")),
    "F16": struct.pack("<2e", 1.5, float("inf")),
    "F64": struct.pack("<2d", 1.5, float("-inf")),
    "BF16": bfloat16(1.5) + bfloat16(float("nan")),
}


@pytest.mark.parametrize("kind", FINITE)
def test_finite_weights_are_sound(tmp_path: Path, kind: str) -> None:
    adapter_files.check(write_adapter(tmp_path, {"a": (kind, FINITE[kind])}))


@pytest.mark.parametrize("kind", NOT_FINITE)
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, kind: str) -> None:
    """F47, F59."""
    folder = write_adapter(tmp_path, {"a": (kind, FINITE[kind]), "b": (kind, NOT_FINITE[kind])})

    with pytest.raises(RunFailedError, match="not finite"):
        adapter_files.check(folder)


def test_every_number_of_a_large_tensor_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_files, "CHUNK_BYTES", 64)
    last = struct.pack("<999f", *[1.0] * 999) + struct.pack("<f", float("inf"))
    folder = write_adapter(tmp_path, {"a": ("F32", last)})

    with pytest.raises(RunFailedError, match="not finite"):
        adapter_files.check(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 8, b"\xff" * 64, (2).to_bytes(8, "little") + b"{}", b"PK\x03\x04 a zip file ..."],
)
def test_what_is_no_safetensors_file_or_holds_no_weights_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    """F59."""
    folder = write_adapter(tmp_path, {})
    (folder / "adapter_model.safetensors").write_bytes(content)

    with pytest.raises(RunFailedError) as caught:
        adapter_files.check(folder)

    assert caught.value.code == "E_NO_ADAPTER"


def test_a_file_cut_in_its_weights_is_refused(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path, {"a": ("F32", FINITE["F32"])})
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(RunFailedError):
        adapter_files.check(folder)


def test_cleaning_names_the_public_base_model_and_removes_what_tells_of_this_machine(
    tmp_path: Path,
) -> None:
    folder = write_adapter(tmp_path, {})
    (folder / "README.md").write_text("base_model: /home/u/base_model")
    (folder / "training_args.bin").write_bytes(b"a pickle")

    adapter_files.clean(folder, base_model="owner/name", revision="abc")

    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("owner/name", "abc")
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_only_safe_regular_files_are_listed(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", {"a": ("F32", FINITE["F32"])})
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth", "run.sh", "tokenizer.json"):
        (folder / name).write_bytes(b"x")
    (folder / "link.json").symlink_to("/etc/passwd")
    (folder / "folder.json").mkdir()

    names = [file["name"] for file in adapter_files.listed(folder, below=tmp_path)]

    assert names == [
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "adapter/tokenizer.json",
    ]


def test_checkpoints_are_found_newest_first_without_half_written_ones(tmp_path: Path) -> None:
    """F51."""
    for step in (5, 10, 15, 100):
        write_adapter(tmp_path / f"checkpoint-{step}", {})
    for step in (5, 10, 100):
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoint-100" / "trainer_state.json").write_text('{"half')

    found = [folder.name for folder in adapter_files.checkpoints(tmp_path)]

    assert found == ["checkpoint-10", "checkpoint-5"]
