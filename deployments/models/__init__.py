"""The rows from which everything is decided: what is trained, where, and what became of it."""

from deployments.models.clouds import CloudSnapshot, PacerSlot, Stray
from deployments.models.deployments import Deployment, Event, Machine
from deployments.models.drafts import Draft
from deployments.models.jobs import TrainingJob
from deployments.models.limits import SpendingLimits, UserLimits
from deployments.models.pushes import HubPush
from deployments.models.recipes import TrainingConfig
from deployments.models.runs import (
    Artifact,
    Checkpoint,
    LogLine,
    Metric,
    MetricBucket,
    RunState,
    Sample,
    SampleAnswer,
)
from deployments.models.tokens import MachineToken
from deployments.models.workers import WorkerHeartbeat

__all__ = [
    "Artifact",
    "Checkpoint",
    "CloudSnapshot",
    "Deployment",
    "Draft",
    "Event",
    "HubPush",
    "LogLine",
    "Machine",
    "MachineToken",
    "Metric",
    "MetricBucket",
    "PacerSlot",
    "RunState",
    "Sample",
    "SampleAnswer",
    "SpendingLimits",
    "Stray",
    "TrainingConfig",
    "TrainingJob",
    "UserLimits",
    "WorkerHeartbeat",
]
