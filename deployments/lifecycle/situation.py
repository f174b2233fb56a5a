"""What a decision may look at: rows and a clock, nothing that has to be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from deployments.models.clouds import Stray
from deployments.models.deployments import Deployment, Machine
from deployments.models.runs import Checkpoint, RunState
from deployments.timing import Timing


@dataclass(frozen=True)
class Situation:
    """All a decision may look at. ``machines`` in order of attempt; ``run`` is the newest one's.

    ``card_due``: an adapter is home whose model card is not written yet;
    ``checkpoint`` is what waits on the newest machine to be brought home while it trains;
    ``median_step_seconds`` is known once the run may have stalled (F44).
    ``cloud_error`` is what the last list of the newest machine's account failed with, None when it
    was good;
    ``owner_may_run`` is False once its owner may no longer sign in (F57);
    ``strays`` are machines of this deployment that no row wanted, gone ones too (F18, F21).
    """

    deployment: Deployment
    machines: tuple[Machine, ...]
    run: RunState | None
    adapter_home: bool
    now: datetime
    timing: Timing
    card_due: bool = False
    merged_home: bool = False
    checkpoint: Checkpoint | None = None
    median_step_seconds: float | None = None
    cloud_error: Mapping[str, Any] | None = None
    strays: tuple[Stray, ...] = ()
    owner_may_run: bool = True

    @property
    def machine(self) -> Machine | None:
        """The machine of the newest attempt."""
        return self.machines[-1] if self.machines else None

    @property
    def spent_usd(self) -> Decimal:
        """What all machines have cost by now, those that nobody wanted included."""
        machines = sum((each.accrued_usd(self.now) for each in self.machines), Decimal(0))
        return sum((each.accrued_usd(self.now) for each in self.strays), machines)

    @property
    def merged_waits(self) -> bool:
        """Whether the newest machine has made a merged model that is not home."""
        made = self.run is not None and (self.run.exit or {}).get("merge") == "made"
        left = self.machine is None or self.machine.merged_left
        return made and not left and not self.merged_home

    @property
    def stray_bills(self) -> bool:
        """Whether a machine that nobody wanted is not proven gone yet."""
        return any(stray.bills for stray in self.strays)

    def age(self, since: datetime) -> float:
        """Seconds since then."""
        return (self.now - since).total_seconds()
