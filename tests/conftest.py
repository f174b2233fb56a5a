"""What every test stands on: a data folder of its own, and no setting of whoever runs the tests."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
import pytest
from django.conf import settings as django_settings
from django.db import connection
from pytest_django.fixtures import Settings

# What a developer's shell may hold and a test must not see. DATABASE_URL is left alone: Django
# makes a test database of its own beside the named one.
_FOREIGN = (
    "ALLOWED_HOSTS",
    "ALLOW_CPU_MACHINES",
    "ADMIN_PATH",
    "API_READS_PER_MINUTE",
    "API_WRITES_PER_MINUTE",
    "APP_URL",
    "BEHIND_PROXY",
    "CONFIRM_BUDGET_FROM_USD",
    "DATASET_SIZE_LIMIT_BYTES",
    "DEBUG",
    "DEFAULT_BUDGET_USD",
    "EMAIL_URL",
    "FIELD_ENCRYPTION_KEY",
    "LAMBDA_API_BASE_URL",
    "LAMBDA_HOST_KEY",
    "LAMBDA_SSH_KEY_PATH",
    "LAMBDA_SSH_PORT",
    "LAMBDA_SSH_USER",
    "LOCAL_MODELS_DIR",
    "LOG_LEVEL",
    "MAIL_FROM",
    "METRICS_TOKEN",
    "RUNPOD_API_BASE_URL",
    "RUNPOD_DISK_GB",
    "RUNPOD_HOST_KEY",
    "RUNPOD_IMAGE",
    "RUNPOD_SSH_USER",
    "SECRET_KEY",
    "SLIPWAY_ENV",
    "SSH_NETWORKS",
    "TOKEN_ROUTE_CALLS_PER_MINUTE",
    "WEBHOOK_NETWORKS",
    "WEBHOOK_PORTS",
)

# pytest-django's fixtures that open the database.
_DATABASE = frozenset({"db", "transactional_db", "live_server"})


def _set_up_django() -> None:
    """Set Django up on a throw-away data folder.

    pyproject.toml does not name the settings: pytest-django would load them before any of our
    code runs, and they would take the developer's own folder and keys. This runs when the module
    is loaded, so that conftest modules in the folders below may import models.
    """
    folder = Path(tempfile.mkdtemp(prefix="slipway-tests-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ["SLIPWAY_DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    # The workers of xdist inherit the environment, and pytest-django would look into it.
    del os.environ["DJANGO_SETTINGS_MODULE"]
    if folder != django_settings.SLIPWAY_DATA_DIR:
        raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: the tests bring their own settings.")
    if connection.vendor == "sqlite":
        # A file, as in production: SQLite's shared memory refuses where a file waits its turn.
        connection.settings_dict["TEST"]["NAME"] = str(folder / "test.sqlite3")


_set_up_django()


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Settings) -> Path:
    """Give each test a data folder of its own, so that files of one never reach another."""
    folder = tmp_path / "data"
    settings.SLIPWAY_DATA_DIR = folder
    settings.LOCAL_MODELS_DIR = folder / "models"
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL run what touches the database; the rest would only repeat itself."""
    if connection.vendor == "sqlite":
        return
    kept = [item for item in items if _touches_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _touches_database(item: pytest.Item) -> bool:
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return item.get_closest_marker("django_db") is not None or not _DATABASE.isdisjoint(fixtures)
