"""What a base model's name means, and which folders it can never reach (T22)."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from core.errors import InvalidInputError
from deployments import base_models


@pytest.fixture
def models(settings: Settings) -> Path:
    """Return the folder of local models, with one model in it and a secret beside it."""
    folder: Path = settings.LOCAL_MODELS_DIR
    (folder / "tiny").mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "notes.txt", "evil.bin", "old.pt"):
        (folder / "tiny" / name).write_bytes(b"{}")
    (folder / "empty").mkdir()
    (folder.parent / "config.json").write_text("outside")
    return folder


def test_a_hub_id_has_no_local_folder() -> None:
    assert base_models.local_folder("meta-llama/Llama-3.2-1B") is None
    base_models.check_name("meta-llama/Llama-3.2-1B")


def test_a_local_model_is_a_folder_below_the_admins(models: Path) -> None:
    assert base_models.local_folder("local:tiny") == models / "tiny"


@pytest.mark.parametrize(
    "name", ["..", ".", "", "/etc", "../models/tiny", "tiny/../tiny", "empty", "absent", "tiny\n"]
)
def test_T22_no_name_reaches_another_folder(models: Path, name: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        base_models.check_name(f"local:{name}")

    assert refusal.value.param == "base_model"


@pytest.mark.parametrize(
    "name", ["", " ", "a/b/c", "../x", "-x", "a b", "https://x.example/y", "x\n"]
)
def test_what_is_no_model_id_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        base_models.check_name(name)


def test_T4_only_weights_and_text_go_to_the_machine_and_no_pickles(models: Path) -> None:
    names = [path.name for path in base_models.files(models / "tiny")]

    assert names == ["config.json", "model.safetensors", "notes.txt"]


def test_a_job_names_its_model_and_where_it_comes_from() -> None:
    hub = base_models.for_job("owner/name", revision="abc")
    local = base_models.for_job("local:tiny", revision=None)

    assert hub == {"kind": "hub", "id": "owner/name", "revision": "abc"}
    assert local == {"kind": "local", "id": "local:tiny", "revision": None}
