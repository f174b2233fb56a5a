"""What a launch that was refused means for the next one. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from deployments import clouds
from deployments.models.deployments import Deployment, Machine

# A cloud and "", or the users' own and the name of one of them.
Seller = tuple[str, str]
CAPACITY = "capacity"
# The kill switch: it is ours, and holds for every cloud (T20).
BLOCKED = "blocked"
PASSING = frozenset({"rate_limited", "unreachable"})


def passes(refusal: Mapping[str, Any]) -> bool:
    """Say whether the same may be asked again after a while."""
    return refusal.get("reason") in PASSING and bool(refusal.get("retryable", True))


def closed(machines: Iterable[Machine]) -> frozenset[Seller]:
    """Return who has refused for good, for the quota or the key, say (F11 to F15)."""
    return frozenset(
        seller(machine.platform, machine.instance_type)
        for machine in machines
        if machine.refusal and _closes(machine.refusal)
    )


def sellers(deployment: Deployment) -> frozenset[Seller]:
    """Return all at whom a deployment may rent."""
    asked = deployment.config
    preferred = (deployment.platform, str(asked.get("instance_type", "")))
    others = ((each["platform"], each["instance_type"]) for each in asked.get("fallbacks", ()))
    return frozenset(seller(*each) for each in (preferred, *others))


def seller(platform: str, name: str) -> Seller:
    """Return who rents a type out: a cloud, or where it is the user's own, the machine itself."""
    return platform, name if clouds.capabilities(platform).is_own else ""


def _closes(refusal: Mapping[str, Any]) -> bool:
    return refusal.get("reason") not in (CAPACITY, BLOCKED) and not passes(refusal)
