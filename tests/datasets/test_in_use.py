"""Who still needs a dataset is known by registration alone."""

import pytest

from datasets import in_use
from datasets.models import Dataset


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from nobody registered."""
    monkeypatch.setattr(in_use, "_uses", {})


def runs(dataset: Dataset) -> list[object]:
    return [{"deployment_id": "d1"}]


def configs(dataset: Dataset) -> list[object]:
    return [{"training_config_id": "c1"}]


def test_the_uses_of_everybody_registered_are_listed() -> None:
    in_use.register_in_use(runs)
    in_use.register_in_use(configs)

    assert in_use.uses_of(Dataset()) == [{"deployment_id": "d1"}, {"training_config_id": "c1"}]


def test_registering_again_counts_once() -> None:
    in_use.register_in_use(runs)
    in_use.register_in_use(runs)

    assert in_use.uses_of(Dataset()) == [{"deployment_id": "d1"}]


def test_with_nobody_registered_nothing_is_in_use() -> None:
    assert in_use.uses_of(Dataset()) == []
