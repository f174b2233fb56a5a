"""What the phases to come will probably take; the strip says "about". Pure.

Of a run without a forecast only the ends of a life are known: what booting usually takes, and what
saving and ending are reckoned with (``Timing``). What lies between depends on model and data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from deployments import costs
from deployments.overview import DeploymentOverview
from deployments.pages.job.spans import BOOT, END, HOME, TRAIN
from deployments.timing import Timing


@dataclass(frozen=True)
class Expected:
    """Seconds, and US dollars in whole cents at the run's price; ``cost`` None: no price yet."""

    seconds: float
    cost: Decimal | None


def expected(run: DeploymentOverview, *, timing: Timing) -> Mapping[int, Expected]:
    """Return what is known of the phases of a run by number."""
    seconds = {
        BOOT: timing.expected_boot_seconds,
        HOME: timing.save_seconds,
        END: timing.terminate_reserve_seconds + timing.proof_interval_seconds,
    }
    left = run.progress.seconds_remaining if run.progress else None
    if left is not None:
        seconds[TRAIN] = float(left)
    return {phase: _priced(run.cost.hourly, each) for phase, each in seconds.items()}


def _priced(hourly: Decimal | None, seconds: float) -> Expected:
    if hourly is None:
        return Expected(seconds, None)
    return Expected(seconds, costs.cents_up(hourly * Decimal(str(seconds)) / Decimal(3600)))
