"""What the agent keeps of a run: the adapter, its manifest, and never a half of either."""

import json

import pytest

from tests.deployments.training.runs import Run


def test_after_a_failure_the_newest_sound_checkpoint_becomes_the_adapter(run: Run) -> None:
    """F47, F51: one with NaN weights and one cut in writing are passed over."""
    run.add_training(
        "save_adapter('output/checkpoint-10', base='/home/x/base_model')\n"
        "save_adapter('output/checkpoint-20', value=float('nan'))\n"
        "save_adapter('output/checkpoint-30')\n"
        "for n in (10, 20): Path(f'output/checkpoint-{n}/trainer_state.json').write_text('{}')\n"
        "sys.exit(23)",
    )

    exit_event = run.result()

    assert exit_event["has_adapter"] is True
    assert exit_event["outcome"] == "failed"
    adapter = run.folder / "output" / "adapter"
    assert sorted(path.name for path in adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "local:slipway-sample"


def test_the_manifest_lists_weights_first_and_never_a_pickle(run: Run) -> None:
    run.add_training("save_adapter()")

    run.result()

    manifest = json.loads((run.folder / "manifest.json").read_text())
    names = [file["name"] for file in manifest["files"]]
    assert names == [
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "adapter/README.md",
    ]
    for file in manifest["files"]:
        assert (run.folder / "output" / file["name"]).stat().st_size == file["size"]
        assert len(file["sha256"]) == 64


@pytest.mark.parametrize(
    "script",
    ["pass", "save_adapter(value=float('nan'))", "Path('output/adapter').mkdir()"],
    ids=["nothing saved", "weights not finite", "an empty folder"],
)
def test_a_run_without_a_usable_adapter_did_not_complete(run: Run, script: str) -> None:
    """F59."""
    run.add_training(script)

    exit_event = run.result()

    assert exit_event["outcome"] == "failed"
    assert exit_event["error_code"] == "E_NO_ADAPTER"
    assert exit_event["has_adapter"] is False
    assert not (run.folder / "manifest.json").exists()
