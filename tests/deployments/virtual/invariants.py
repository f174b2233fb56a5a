"""FAULTS.md section 2, checked after every step of every life and once more at its end."""

from datetime import datetime
from decimal import Decimal

from core.installation import installation_id
from deployments.lifecycle.edges import is_allowed
from deployments.models import Deployment, Event, Machine
from deployments.models.deployments import TERMINAL, LaunchState
from tests.deployments.virtual.cloud import VirtualCloud, VirtualMachine

# What users ask for and what the sweep finds is told without the lease.
OUTSIDE_THE_LEASE = frozenset({"stop_asked", "stray", "stray_gone", "late_cost"})


def check(cloud: VirtualCloud, *, now: datetime, late_seconds: float) -> None:
    """Fail when a safety invariant does not hold now.

    ``late_seconds`` is how long a machine that appeared late, or twice, may live after it was
    first listed.
    """
    rows = {machine.name: machine for machine in Machine.objects.select_related("deployment")}
    adopted: dict[object, list[VirtualMachine]] = {}
    for machine in cloud.live():
        # I1: whatever lives has a row with its name, written before it was started (D1).
        row = rows.get(machine.name)
        assert row is not None, f"I1: nobody owns {machine.name}"
        assert machine.name.startswith(f"{installation_id()}-"), "I15"
        if row.instance_id not in ("", machine.instance_id) or not row.may_live:
            late = (now - machine.listed_from).total_seconds()
            assert late <= late_seconds, f"I1: {machine.name} outlives its welcome"
            continue
        assert not row.deployment.is_terminal, f"I1: {machine.name} outlives its deployment"
        adopted.setdefault(row.deployment_id, []).append(machine)
    assert all(len(machines) == 1 for machines in adopted.values()), "I3: two machines at once"


def check_story(deployment: Deployment) -> None:
    """Fail when the deployment's events do not tell a life that may be told (I4, I13)."""
    status, version = "queued", 0
    for event in Event.objects.filter(deployment=deployment).order_by("id"):
        # Being accepted is where it begins, no move from anywhere.
        if event.to_status and event.kind != "queued":
            assert event.from_status == status, f"I4: {event}"
            assert is_allowed(status, event.to_status), f"I4: {event}"
            status = event.to_status
        assert event.version >= version or event.kind in OUTSIDE_THE_LEASE, f"I4: {event}"
        version = max(version, event.version)
        if event.kind in ("gone", "never_seen"):
            assert len(event.data["listed"]) == 2, f"I13: {event}"
    assert status == deployment.status, "I4"


def check_end(cloud: VirtualCloud, deployment: Deployment, *, exact: bool = False) -> None:
    """Fail unless the deployment is over, nothing lives, and it cost what it had to.

    ``exact``: no fault kept us from knowing, so that our bill is at most two quanta and 60 s
    over the cloud's for each machine (I8).
    """
    deployment.refresh_from_db()
    assert deployment.status in TERMINAL
    check_story(deployment)
    assert not cloud.live(), "I1: something lives on"
    machines = {m.instance_id: m for m in deployment.machines.exclude(instance_id="")}
    ours = sum((m.billed_usd or Decimal(0) for m in machines.values()), Decimal(0))
    strays = {stray.instance_id: stray for stray in deployment.strays.all()}
    late = sum((s.billed_usd or Decimal(0) for s in strays.values()), Decimal(0))
    assert deployment.actual_cost == ours + late, "I8: the final cost is the sum of the bills"
    for machine in cloud.machines:
        row = machines.get(machine.instance_id)
        if row is None:
            stray = strays.get(machine.instance_id)
            assert stray is None or (stray.billed_usd or 0) >= machine.bill(), "I8: a stray's bill"
            continue
        assert row.launch_state == LaunchState.LAUNCHED
        assert row.billed_usd is not None
        assert row.billed_usd >= machine.bill(), "I8: under the cloud's bill"
        if exact:
            tolerated = machine.hourly_price * 180 / 3600 + Decimal("0.0001")
            assert row.billed_usd <= machine.bill() + tolerated, "I8: far over the cloud's bill"
    assert len(cloud.agents_started) == len(set(cloud.agents_started)), "I11"
