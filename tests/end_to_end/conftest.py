"""A sandbox cloud of its own for each test, and settings that make a life last seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.end_to_end.life import QUICK
from tests.sandbox_cloud import SandboxHandle, running_sandbox
from tests.trainer import sample_model, trainer_python


@pytest.fixture
def cloud(tmp_path: Path, settings: Settings) -> Iterator[SandboxHandle]:
    """Run a sandbox whose machines have the trainer's packages; Slipway's settings point to it."""
    settings.LOCAL_MODELS_DIR = sample_model().parent
    settings.ALLOW_CPU_MACHINES = True
    settings.LAMBDA_SSH_PORT = 2222
    settings.TIMING = QUICK
    with running_sandbox(tmp_path / "cloud", image_python=trainer_python()) as sandbox:
        settings.LAMBDA_API_BASE_URL = sandbox.base_url
        yield sandbox
