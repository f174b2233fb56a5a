"""The values of which everything that is shown of a deployment is made; ``overview`` fills them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from deployments.history import MetricPoint
from deployments.models import Artifact, TrainingJob


@dataclass(frozen=True)
class Cost:
    """Money in US dollars; None is not known. ``accrued`` and ``final`` are whole cents, up.

    ``hourly`` is the price of the machine that is rented now, or was rented last; ``final`` is
    None again while a machine that appeared after the end bills (F18).
    """

    hourly: Decimal | None
    estimated: Decimal | None
    accrued: Decimal
    final: Decimal | None
    budget_limit: Decimal
    currency: str = "USD"


@dataclass(frozen=True)
class Progress:
    """How far training is, as of the newest step the machine has told of; None is not known.

    ``paced_steps`` is over how many steps the pace behind ``seconds_remaining`` was measured.
    """

    step: int | None
    total_steps: int | None
    epoch: float | None
    percent: float | None
    seconds_remaining: int | None
    paced_steps: int = 0


@dataclass(frozen=True)
class GoneProof:
    """The good lists without the machine that prove it gone (D3): how many, first and last."""

    lists: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class MachineOverview:
    """One rented machine, or one launch that came to nothing; ``billed`` is exact, None: open.

    ``answer`` is what is known of the launch, a word of ``LaunchState``, after so many seconds.
    ``kept_until``: how long a failed run's machine stays for a look; None for one that does not.
    """

    machine_id: UUID
    instance_id: str | None
    name: str
    platform: str
    attempt: int
    answer: str
    answered_seconds: float | None
    status: str
    may_live: bool
    kept_until: datetime | None
    ip: str | None
    ssh_port: int | None
    region: str
    region_description: str
    instance_type: str
    description: str
    gpu_count: int
    vram_gib: int | None
    hourly: Decimal
    billing_quantum_seconds: int
    accrued: Decimal
    billed: Decimal | None
    cloud_billed: Decimal | None
    requested_at: datetime
    launched_at: datetime | None
    active_at: datetime | None
    login_at: datetime | None
    agent_started_at: datetime | None
    terminate_requested_at: datetime | None
    gone_at: datetime | None
    gone_proof: GoneProof | None
    seen_at: datetime | None
    fault: Mapping[str, Any] | None
    refusal: Mapping[str, Any] | None

    @property
    def place(self) -> str:
        """The region as the cloud calls it, with its code: Virginia, USA (us-east-1)."""
        named = self.region_description not in ("", self.region)
        return f"{self.region_description} ({self.region})" if named else self.region


@dataclass(frozen=True)
class StrayOverview:
    """One machine of a run that nobody wanted (F18, F21); ``hourly`` None: nobody tells a price."""

    instance_id: str
    name: str
    bills: bool
    hourly: Decimal | None
    accrued: Decimal
    bills_from: datetime
    gone_at: datetime | None


@dataclass(frozen=True)
class RunNews:
    """What the newest machine's run log says, and when it last said anything new."""

    phase: str
    phase_detail: str
    phase_since: datetime | None
    news_at: datetime | None
    looked_at: datetime | None
    stepped_at: datetime | None
    heartbeat: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None
    exit: Mapping[str, Any] | None

    @property
    def is_cpu_stand_in(self) -> bool:
        """Whether the image declared that it has no GPU and a CPU stands in."""
        return bool((self.environment or {}).get("cpu_stand_in"))


@dataclass(frozen=True)
class CloudNews:
    """When the cloud last listed this key's machines for us, and since when it does not (F58)."""

    listed_at: datetime | None
    failed_since: datetime | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True)
class EventLine:
    """One line of the story; ``machine`` is the name of the machine it is about."""

    event_id: int
    deployment_id: UUID
    at: datetime
    kind: str
    message: str
    from_status: str
    to_status: str
    machine: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True)
class DeploymentOverview:
    """A deployment as it is shown. Lists leave the last four fields empty (``deployment_lines``).

    ``status`` is the public word, ``phase`` the finer step inside it; ``bills`` says whether any
    machine may live, one of ``strays`` included; ``kept_until`` is its machine's;
    ``url`` is the path of its page.
    """

    deployment_id: UUID
    job_id: UUID
    name: str
    platform: str
    status: str
    status_since: datetime
    phase: str
    is_terminal: bool
    stop_asked: bool
    save_wanted: bool
    outcome: str
    bills: bool
    kept_until: datetime | None
    instance_id: str | None
    instance_type: str
    region: str
    url: str
    cost: Cost
    progress: Progress | None
    machines: tuple[MachineOverview, ...]
    strays: tuple[StrayOverview, ...]
    run: RunNews | None
    attention: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    max_hours: Decimal
    max_hourly_price: Decimal
    max_attempts: int
    capacity_deadline: datetime | None
    next_tick_at: datetime | None
    last_tick_at: datetime | None
    created_at: datetime
    completed_at: datetime | None
    resume_from: UUID | None = None
    metrics: Mapping[str, MetricPoint] = field(default_factory=dict)
    events: tuple[EventLine, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    cloud: CloudNews | None = None


@dataclass(frozen=True)
class JobOverview:
    """A job with its newest deployment; ``deployment_ids`` are all of them, newest first."""

    job: TrainingJob
    deployment: DeploymentOverview | None
    deployment_ids: tuple[UUID, ...]
