"""A real https receiver under a public name, and a clock that a test moves."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from core import outbound
from core.outbound import Rules
from tests.deployments.virtual import clock as virtual_clock
from tests.deployments.virtual.clock import Clock
from tests.notifications.receiver import HOST, Receiver, receiver


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    virtual_clock.use(clock, monkeypatch)
    return clock


@pytest.fixture
def https(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Receiver]:
    """Serve hooks.example.org, which the operator allows; at first every request gets 204."""
    with receiver(tmp_path) as serving:
        settings.WEBHOOK_RULES = Rules(
            ports=frozenset({443, serving.port}), networks=(ip_network("127.0.0.0/8"),)
        )
        names = {HOST: ["127.0.0.1"]}
        monkeypatch.setattr(outbound, "addresses_of", lambda host, *_: names[host])
        monkeypatch.setattr(outbound, "tls_context", serving.context)
        yield serving


@pytest.fixture
def url(https: Receiver) -> str:
    return f"https://{HOST}:{https.port}/in"
