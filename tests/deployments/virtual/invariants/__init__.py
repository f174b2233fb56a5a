"""FAULTS.md section 2 as one program: S after every step of every life, E at its end.

What one process cannot state is stated elsewhere: I2 and I9 across real processes, I16 for tokens
of users and I18 for each route by the tests of those, I17 for pages, processes and dumps.
"""

from deployments.models import Deployment
from tests.deployments.virtual.clouds import Clouds
from tests.deployments.virtual.invariants import ends, facts, steps
from tests.deployments.virtual.invariants.ends import check_story
from tests.deployments.virtual.invariants.facts import Before, Facts

__all__ = ["Before", "Facts", "check_end", "check_invariants", "check_story", "facts"]


def check_invariants(known: Facts) -> None:
    """Fail when a safety invariant does not hold now."""
    for holds in steps.SAFETY:
        holds(known)


def check_end(cloud: Clouds, deployment: Deployment, *, exact: bool = False) -> None:
    """Fail unless the deployment is over, nothing lives, and all that must hold then does.

    ``exact``: no fault kept us from knowing what the cloud bills (I8).
    """
    deployment.refresh_from_db()
    for holds in ends.END:
        holds(cloud, deployment)
    if exact:
        ends.check_exact(cloud, deployment)
