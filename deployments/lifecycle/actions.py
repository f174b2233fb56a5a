"""What a decision can be: change rows, act on the world, or wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployments.models.deployments import Machine, Status


class Effect(StrEnum):
    """An act outside the database. Each has one module in this package."""

    LAUNCH = "launch"
    TERMINATE = "terminate"
    LOG_IN = "log_in"
    PREPARE = "prepare"
    FOLLOW = "follow"
    FETCH = "fetch"
    COLLECT = "collect"
    COLLECT_MERGED = "collect_merged"
    DESCRIBE = "describe"

    @property
    def may_block(self) -> bool:
        """Whether it speaks SSH, or moves large files, and so belongs on the ``ssh`` queue."""
        return self not in (Effect.LAUNCH, Effect.TERMINATE)


@dataclass(frozen=True)
class Record:
    """Change the deployment's and one machine's row and tell it in one event; nothing else."""

    kind: str
    message: str
    to: Status | None = None
    deployment: Mapping[str, object] = field(default_factory=dict)
    machine: Machine | None = None
    machine_changes: Mapping[str, object] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Do:
    """Perform one effect, outside any transaction."""

    effect: Effect
    machine: Machine | None = None


@dataclass(frozen=True)
class Rest:
    """Nothing to do; look again after so many seconds. None: never again."""

    seconds: float | None


Action = Record | Do | Rest
