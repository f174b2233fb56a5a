"""Fixtures for everything that rents machines."""

import pytest

from tests.deployments.virtual.world import World


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a user with a key at a virtual cloud, and the workers, on a clock of their own."""
    return World(monkeypatch)
