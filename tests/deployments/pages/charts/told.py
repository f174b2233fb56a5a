"""What a run has told, for the charts: short to write down, no database."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from deployments.bucketing import Bucket, Told, bucketed, fitting_width
from deployments.pages.charts.measured import Measured, Rented

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Values = Mapping[int, Any] | Sequence[Any]


def after(seconds: float) -> datetime:
    """Return the moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def buckets(values: Values, *, every: float = 10.0) -> Sequence[Bucket]:
    """Return buckets of values by step, from step 1 on; each step told ``every`` seconds later."""
    pairs = values.items() if isinstance(values, Mapping) else enumerate(values, start=1)
    told = [Told(step, value, after(step * every)) for step, value in pairs]
    width = fitting_width((each.step for each in told), width=1)
    return bucketed(told, width=width)


def rented(**fields: Any) -> Rented:
    """Return a machine at 1.20 USD an hour, begun at noon, not yet gone."""
    values: dict[str, Any] = {
        "hourly": Decimal("1.20"),
        "quantum_seconds": 60,
        "begin": NOON,
        "end": None,
        "billed": None,
    }
    return Rented(**(values | fields))


def measured(told: Mapping[str, Values] | None = None, **fields: Any) -> Measured:
    """Return a live run of 100 steps in 2 epochs that has told these metrics."""
    values: dict[str, Any] = {
        "buckets": {name: buckets(each) for name, each in (told or {}).items()},
        "total_steps": 100,
        "epochs": 2.0,
        "epoch_a_step": 0.02,
        "started_at": NOON,
        "until": after(3600),
        "is_live": True,
        "rented": (),
        "budget": Decimal("2.50"),
        "card_gib": None,
    }
    return Measured(**(values | fields))
