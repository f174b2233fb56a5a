"""A Hub of its own for each test; Slipway's settings point to it."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.hub.server import Hub, running_hub


@pytest.fixture
def hub(settings: Settings) -> Iterator[Hub]:
    with running_hub() as hub:
        settings.HF_ENDPOINT = hub.url
        yield hub
