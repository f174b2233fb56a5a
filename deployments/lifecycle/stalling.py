"""A run that stands still: its machine lives and says so, but no step ends (F44). Pure.

The agent watches this too, by the machine's own clock, and acts first where it can.
Only time in which we looked counts (``silence``), so a control plane that slept blames no run.
"""

from deployments.lifecycle import faults
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import Status


def is_stalled(s: Situation, *, times: int = 1) -> bool:
    """Say whether no step has ended for ``times`` the time in which one should have."""
    if s.deployment.status != Status.TRAINING or s.run is None or s.run.exit is not None:
        return False
    if s.run.phase == "merge":
        # No step ends any more; the agent bounds it.
        return False
    return s.run.stalled_seconds >= times * limit_seconds(s)


def limit_seconds(s: Situation) -> float:
    """Return after how long without a step there is something wrong; the first may take twice."""
    if s.run is None or not s.run.step:
        return 2 * s.timing.step_limit_seconds
    usual = s.median_step_seconds or 0.0
    return max(s.timing.step_limit_seconds, s.timing.step_limit_medians * usual)


def stalled(s: Situation, *, times: int = 1) -> Fault:
    """Return the fault in words that stay the same while it lasts."""
    return faults.stalled(times * limit_seconds(s) / 60, step=s.run.step if s.run else None)
