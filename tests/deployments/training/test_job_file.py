"""The run folder's files and the job file."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.training.job_file import PAYLOAD, PAYLOAD_FILES, build_job, run_folder
from tests.deployments.training.runs import make_job

ROOT = Path(__file__).resolve().parents[3]
AGENT_FILES = (*sorted(path.name for path in PAYLOAD.glob("agent*.py")), "adapter_files.py")


def test_the_run_folder_lies_below_the_login_home() -> None:
    assert run_folder("slw-1") == "slipway/slw-1"


def test_every_file_of_the_payload_goes_to_the_machine() -> None:
    names = {name for name, _, _ in PAYLOAD_FILES}

    assert names == {path.name for path in PAYLOAD.iterdir() if path.is_file()}
    assert {"agent.py", "train.py", "bootstrap.sh", "pins.txt", "pins-py310.txt"} <= names
    assert all(mode & 0o077 == 0 for _, _, mode in PAYLOAD_FILES)


def test_the_job_file_is_json_and_keeps_what_it_was_given() -> None:
    job = build_job(
        run_id="slw-1",
        recipe={"method": "sft"},
        base_model={"kind": "hub", "id": "owner/name", "revision": None},
        dataset={"sha256": "00", "size_bytes": 3, "format": "chat", "rows": 1},
        deadline_seconds=3600,
        heartbeat_seconds=15,
        silence_limit_seconds=1800,
        allow_cpu=False,
        expected={"gpu_count": 1, "vram_gib": 24, "architecture": "x86_64"},
        issued_at=1000.0,
    )

    assert json.loads(json.dumps(job)) == job
    assert job["torch_index_url"] == ""
    assert job["job_url"] == ""
    assert job["issued_at"] == 1000.0
    assert make_job()["limits"]


@pytest.mark.parametrize("name", AGENT_FILES)
def test_the_agent_needs_nothing_but_the_standard_library_of_python_3_9(name: str) -> None:
    tree = ast.parse((PAYLOAD / name).read_text(), feature_version=(3, 9))

    imported = {
        module.partition(".")[0]
        for node in ast.walk(tree)
        for module in _modules(node)
        if module.partition(".")[0] not in {path.stem for path in PAYLOAD.glob("*.py")}
    }
    assert imported <= set(sys.stdlib_module_names)


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def test_the_agent_starts_where_no_package_is_installed() -> None:
    done = subprocess.run(  # noqa: S603
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(PAYLOAD)!r}); import agent",
        ],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_the_pins_are_those_the_trainer_environment_was_locked_with() -> None:
    """What the tests train with is what a machine installs."""
    pins = _pins(PAYLOAD / "pins.txt")
    locked = _pins(ROOT / "requirements" / "trainer.in")

    assert pins.pop("torch")
    assert pins == locked


def test_both_sets_of_pins_name_the_same_packages() -> None:
    assert _pins(PAYLOAD / "pins.txt").keys() == _pins(PAYLOAD / "pins-py310.txt").keys()


def _pins(path: Path) -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)
