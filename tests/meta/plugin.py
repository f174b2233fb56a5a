"""A pytest plugin that breaks one rule while each test runs (``--break NAME``)."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--break", dest="broken", default="", help="the name of a break")


@pytest.fixture(autouse=True)
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the rule that was named; it is whole again after the test."""
    # Only now is Django set up, and are our modules there to be changed.
    from tests.meta.breaks import BREAKS

    name = str(request.config.getoption("broken"))
    if name:
        BREAKS[name].apply(monkeypatch)
