"""What the rows say at one moment, read quickly, and what was known of them before."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.installation import installation_id
from deployments.models.deployments import TERMINAL, LaunchState
from tests.deployments.virtual import rows
from tests.deployments.virtual.cloud import VirtualMachine
from tests.deployments.virtual.clouds import Clouds

MACHINES = (
    "SELECT name, instance_id, launch_state, gone_at IS NOT NULL, end_wanted_at, deployment_id"
    " FROM machines"
)
DEPLOYMENTS = (
    "SELECT id, status, version, desired, budget_limit, status_since, created_at, last_tick_at,"
    " kept_until, actual_cost, wait_for_capacity_minutes, max_hours FROM cloud_deployments"
)


@dataclass(frozen=True)
class DeploymentRow:
    """A deployment as its row has it now."""

    id: Any
    status: str
    version: int
    desired: str
    budget: Decimal
    status_since: datetime
    ticked_at: datetime
    kept_until: datetime | None
    actual_cost: Any
    wait_seconds: float
    max_seconds: float

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class MachineRow:
    """A machine as its row has it now."""

    name: str
    instance_id: str
    may_live: bool
    end_wanted_at: datetime | None
    deployment: DeploymentRow


@dataclass
class Before:
    """What earlier steps of the same life have shown."""

    versions: dict[Any, int] = field(default_factory=dict)
    over: dict[Any, DeploymentRow] = field(default_factory=dict)
    stop_since: dict[Any, datetime] = field(default_factory=dict)
    # From when on a machine could be ended: its id was known.
    known_since: dict[str, datetime] = field(default_factory=dict)
    troubles: int = 0
    steps: int = 0
    # When anything last went wrong, or people last asked for anything: bounds count from then.
    trouble_at: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """The rows, the cloud, the clock, and how much longer than usual things may take."""

    cloud: Clouds
    now: datetime
    deployments: dict[Any, DeploymentRow]
    machines: dict[str, MachineRow]
    before: Before
    prefix: str
    # I1, I3: how long a machine that appeared late may live; I6: what kills and absences add.
    late_seconds: float
    excused_seconds: float

    def wanted(self) -> Iterator[tuple[MachineRow, VirtualMachine]]:
        """Yield what lives and is the machine that its row speaks of."""
        for machine in self.cloud.live():
            row = self.machines.get(machine.name)
            if row is not None and self.is_the_one(row, machine):
                yield row, machine

    def is_the_one(self, row: MachineRow, machine: VirtualMachine) -> bool:
        return row.instance_id in ("", machine.instance_id) and row.may_live

    def calm_seconds(self, *since: datetime | None) -> float:
        """Return for how long nothing has gone wrong, counted from the last of these."""
        moments = [moment for moment in (*since, self.before.trouble_at) if moment is not None]
        return (self.now - max(moments)).total_seconds()


def read(
    cloud: Clouds,
    *,
    now: datetime,
    before: Before,
    late_seconds: float,
    excused_seconds: float,
) -> Facts:
    """Read the rows; note in ``before`` when something last went wrong."""
    if before.trouble_at is None or cloud.troubles != before.troubles:
        before.trouble_at = now
    before.troubles, before.steps = cloud.troubles, before.steps + 1
    deployments = {row[0]: _deployment(row) for row in rows.select(DEPLOYMENTS)}
    machines = {
        row[0]: MachineRow(
            name=row[0],
            instance_id=row[1],
            may_live=not row[3] and row[2] not in (LaunchState.REFUSED, LaunchState.NEVER_SEEN),
            end_wanted_at=rows.moment(row[4]),
            deployment=deployments[row[5]],
        )
        for row in rows.select(MACHINES)
    }
    return Facts(
        cloud=cloud,
        now=now,
        deployments=deployments,
        machines=machines,
        before=before,
        prefix=f"{installation_id()}-",
        late_seconds=late_seconds,
        excused_seconds=excused_seconds,
    )


def _deployment(row: tuple[Any, ...]) -> DeploymentRow:
    created_at, last_tick_at = rows.moment(row[6]), rows.moment(row[7])
    status_since = rows.moment(row[5])
    assert created_at is not None
    assert status_since is not None
    return DeploymentRow(
        id=row[0],
        status=row[1],
        version=row[2],
        desired=row[3],
        budget=Decimal(str(row[4])),
        status_since=status_since,
        ticked_at=last_tick_at or created_at,
        kept_until=rows.moment(row[8]),
        actual_cost=row[9],
        wait_seconds=timedelta(minutes=row[10]).total_seconds(),
        max_seconds=float(row[11]) * 3600,
    )
