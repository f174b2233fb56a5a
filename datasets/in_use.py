"""Who still needs a dataset; other apps tell it at start, it asks nobody."""

from collections.abc import Callable

from datasets.models import Dataset

Uses = Callable[[Dataset], list[object]]
_uses: dict[str, Uses] = {}


def register_in_use(uses: Uses) -> None:
    """Tell of things that may need a dataset; call it from ``AppConfig.ready``.

    ``uses`` returns a line (or JSON object) for each thing that does.
    """
    _uses[f"{uses.__module__}.{uses.__qualname__}"] = uses


def uses_of(dataset: Dataset) -> list[object]:
    """Return everything that still needs this dataset."""
    return [use for uses in _uses.values() for use in uses(dataset)]
