"""A machine whose training is a script of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.training.runs import Run, fake_machine


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with fake_machine(tmp_path / "home") as run:
        yield run
