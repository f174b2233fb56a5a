"""What a practice run needs: sample data and a small base model, made once on this machine."""

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from datasets import samples

MODEL_NAME = "slipway-sample"
ROWS = 3000
SEED = 7


def trainer_python() -> Path:
    """Return the Python with the pinned trainer packages, as a practice machine's image has it."""
    return Path(settings.TRAINER_PYTHON)


def sample_data() -> Path:
    """Return the folder of generated word problems, making it when it is not there."""
    folder: Path = settings.BASE_DIR / "var" / "samples"
    if not (folder / "chat.jsonl").is_file():
        samples.write_samples(folder, rows=ROWS, seed=SEED)
    return folder


def models_dir() -> Path:
    """Return the folder with the small base model, pre-training it when it is not there."""
    folder: Path = settings.BASE_DIR / "var" / "models"
    if not (folder / MODEL_NAME / "config.json").is_file():
        script = Path(__file__).resolve().parents[1] / "training" / "sample_model.py"
        subprocess.run(  # noqa: S603  # our own script
            [
                str(trainer_python()),
                str(script),
                "--data",
                str(sample_data()),
                "--out",
                str(folder / MODEL_NAME),
            ],
            check=True,
            stdout=sys.stderr,
        )
    return folder
