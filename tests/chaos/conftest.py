"""The stage on which lives are lived."""

from pathlib import Path

import pytest

from tests.chaos.life import Stage


@pytest.fixture
def stage(transactional_db: None, monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> Stage:
    """Return a stage of its own; what lives commit there is really committed."""
    return Stage(monkeypatch, data_folder=data_folder)
