"""One sandbox serves the whole folder; after each test nothing of that test is left in it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.client import Client, wait_until
from tests.sandbox_cloud import SandboxHandle, running_sandbox

SETTINGS: dict[str, Any] = {
    "boot_seconds": 0.04,
    "terminate_seconds": 0.0,
    "terminated_visible_seconds": 30.0,
    "terminated_get_seconds": 60.0,
}


@pytest.fixture(scope="package")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("cloud"), **SETTINGS) as sandbox:
        yield sandbox


@pytest.fixture(scope="package")
def shared_client(running_cloud: SandboxHandle) -> Client:
    return Client(running_cloud)


@pytest.fixture
def client(shared_client: Client) -> Iterator[Client]:
    yield shared_client

    shared_client.control("DELETE", "faults")
    shared_client.control("POST", "settings", {**SETTINGS, "rate_limits": False})
    for machine in shared_client.control("GET", "machines")["machines"]:
        if machine["terminated_at"] is None:
            shared_client.control("POST", f"machines/{machine['id']}/vanish")
    wait_until(lambda: _none_is_left(shared_client))


def _none_is_left(client: Client) -> bool:
    machines = client.control("GET", "machines")["machines"]
    return all(machine["terminated_at"] is not None for machine in machines)
