"""What a decision may look at: rows and a clock, nothing that has to be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from deployments.models.deployments import Deployment, Machine
from deployments.models.runs import RunState
from deployments.timing import Timing


@dataclass(frozen=True)
class Situation:
    """All a decision may look at. ``machines`` in order of attempt; ``run`` is the newest one's.

    ``cloud_error`` is what the last list of the account failed with, None when it was good;
    ``strays``: a machine of this deployment that no row wanted is not proven gone yet (F21).
    """

    deployment: Deployment
    machines: tuple[Machine, ...]
    run: RunState | None
    adapter_home: bool
    now: datetime
    timing: Timing
    cloud_error: Mapping[str, Any] | None = None
    strays: bool = False

    @property
    def machine(self) -> Machine | None:
        """The machine of the newest attempt."""
        return self.machines[-1] if self.machines else None

    @property
    def spent_usd(self) -> Decimal:
        """What all machines have cost by now."""
        return sum((m.accrued_usd(self.now) for m in self.machines), Decimal(0))

    def age(self, since: datetime) -> float:
        """Seconds since then."""
        return (self.now - since).total_seconds()
