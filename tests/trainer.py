"""The trainer's Python environment and the sample base model, shared by all tests that train.

Both are made once per machine: the environment by ``make setup``, the model on first use, below
``var/`` (or SLIPWAY_TEST_CACHE), behind a lock so that parallel workers wait for one another.
"""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from datasets import samples

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_MODEL_SCRIPT = ROOT / "deployments" / "training" / "sample_model.py"


def trainer_python() -> Path:
    """Return the Python that has torch, trl and peft; not resolved, for it is a venv's."""
    given = os.environ.get("SLIPWAY_TRAINER_PYTHON")
    python = Path(given) if given else ROOT / ".venv-trainer" / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"{python} is missing: run `make setup`.")
    return python


def sample_data() -> Path:
    """Return the folder with the sample data files (chat.jsonl, prompt-completion.jsonl, ...)."""
    return _made_once()[0]


def sample_model() -> Path:
    """Return the folder of the sample base model, pre-trained on first use (about 15 s)."""
    return _made_once()[1]


def _made_once() -> tuple[Path, Path]:
    cache = Path(os.environ.get("SLIPWAY_TEST_CACHE", ROOT / "var" / "test-cache"))
    # Named after what they are made by: a changed script makes a new model.
    sources = SAMPLE_MODEL_SCRIPT.read_bytes() + Path(samples.__file__).read_bytes()
    folder = cache / hashlib.sha256(sources).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    data, model = folder / "data", folder / "slipway-sample"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (model / "config.json").is_file():
            samples.write_samples(data)
            subprocess.run(  # noqa: S603
                [trainer_python(), SAMPLE_MODEL_SCRIPT, "--data", data, "--out", model],
                check=True,
                capture_output=True,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
            )
    return data, model
