from collections.abc import Iterator
from dataclasses import asdict

import pytest

from sandbox.options import Settings
from tests.sandbox.client import Client
from tests.sandbox.runpod.client import PodClient


@pytest.fixture
def pods(client: Client) -> Iterator[PodClient]:
    yield PodClient(client)

    defaults = asdict(Settings())
    names = [name for name in defaults if name.startswith("runpod_")]
    client.control("POST", "settings", {name: defaults[name] for name in names})
