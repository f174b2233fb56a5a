"""What was put on a machine's life at its launch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.catalogue import InstanceType
from sandbox.fault_kinds import LIFE_STAGES
from sandbox.faults import FaultBook, Hit
from sandbox.runpod.catalogue import sold_types


@dataclass(frozen=True)
class LifeScript:
    """The faults of one machine: the values of each by its kind."""

    faults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def has(self, kind: str) -> bool:
        return kind in self.faults

    def seconds(self, kind: str) -> float | None:
        """Return the seconds of a fault that the script has; None means for ever."""
        seconds = self.faults[kind]["seconds"]
        return None if seconds is None else float(seconds)

    @property
    def hidden_for_seconds(self) -> float:
        return self.seconds("hide_from_list") or 0.0 if self.has("hide_from_list") else 0.0

    @property
    def disk_bytes(self) -> int | None:
        """Return how much the disk still takes; None when nothing was said of it."""
        return int(self.faults["disk_full"]["bytes"]) if self.has("disk_full") else None

    def shown_type(self, bought: InstanceType) -> InstanceType:
        """Return the type whose GPUs nvidia-smi shows."""
        if not self.has("gpu_other"):
            return bought
        name = self.faults["gpu_other"]["instance_type"]
        return next(kind for kind in sold_types() if kind.name == name)


def take_life_script(faults: FaultBook, hit: Hit) -> LifeScript:
    """Take from the script of faults what is to happen to the machine that this call launches."""
    taken = [fault for stage in LIFE_STAGES if (fault := faults.take(stage, hit)) is not None]
    return LifeScript({fault.kind: fault.values for fault in taken})
