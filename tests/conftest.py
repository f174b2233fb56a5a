"""What every test stands on: a data folder of its own, and no setting of whoever runs the tests."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

# What a developer's shell may hold and a test must not see. DATABASE_URL is left alone: Django
# makes a test database of its own beside the named one.
_FOREIGN = (
    "ALLOWED_HOSTS",
    "ALLOW_CPU_MACHINES",
    "APP_URL",
    "DATASET_SIZE_LIMIT_BYTES",
    "DEBUG",
    "DEFAULT_BUDGET_USD",
    "FIELD_ENCRYPTION_KEY",
    "LAMBDA_API_BASE_URL",
    "LAMBDA_HOST_KEY",
    "LAMBDA_SSH_KEY_PATH",
    "LAMBDA_SSH_PORT",
    "LAMBDA_SSH_USER",
    "LOCAL_MODELS_DIR",
    "LOG_LEVEL",
    "SECRET_KEY",
    "SLIPWAY_ENV",
)
_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Load Django's settings with a throw-away data folder.

    pyproject.toml does not name the settings: pytest-django would load them before this runs,
    and they would take the developer's own folder and keys.
    """
    folder = Path(tempfile.mkdtemp(prefix="slipway-tests-"))
    config.stash[_folder] = folder
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ["SLIPWAY_DATA_DIR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings

    # Reading one loads them all; pytest-django then sets Django up.
    assert Path(settings.SLIPWAY_DATA_DIR) == folder.resolve()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the throw-away folder."""
    if _folder in config.stash:
        shutil.rmtree(config.stash[_folder], ignore_errors=True)


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Settings) -> Path:
    """Give each test a data folder of its own, so that files of one never reach another."""
    folder = tmp_path / "data"
    settings.SLIPWAY_DATA_DIR = folder
    settings.LOCAL_MODELS_DIR = folder / "models"
    return folder
