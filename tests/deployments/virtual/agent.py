"""A run on a virtual machine: its log and its files, as functions of the time."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

HEARTBEAT_SECONDS = 15


def safetensors(weights: bytes = bytes(8)) -> bytes:
    """Return a sound safetensors file with one tensor."""
    tensor = {"dtype": "F32", "shape": [len(weights) // 4], "data_offsets": [0, len(weights)]}
    header = json.dumps({"lora_A": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + weights


def adapter_files() -> dict[str, bytes]:
    """Return the files of an adapter, by their names in the manifest."""
    return {
        "adapter/adapter_config.json": b"{}",
        "adapter/adapter_model.safetensors": safetensors(),
    }


def manifest(files: dict[str, bytes]) -> bytes:
    """Return the manifest of these files."""
    listed = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    return json.dumps({"files": listed}).encode()


@dataclass
class Plan:
    """What the next agents will do. Seconds count from the agent's start.

    ``falls_silent``: when the log stops for good; ``stalls``: from when on no step ends;
    ``error``: what it tells before it fails.
    """

    train_from: float = 20
    exit_at: float = 80
    save_seconds: float = 5
    outcome: str = "completed"
    has_adapter: bool = True
    falls_silent: float | None = None
    stalls: float | None = None
    error: dict[str, Any] | None = None
    files: dict[str, bytes] = field(default_factory=adapter_files)


@dataclass
class Agent:
    """One agent that was started; ``stop_asked_at`` is when it was told to stop."""

    plan: Plan
    started_at: datetime
    stop_asked_at: datetime | None = None

    def log(self, now: datetime) -> bytes:
        """Return the run log as it is by then; it only ever grows."""
        told = [event for moment, event in self._events(until=now) if moment <= now]
        return b"".join(
            json.dumps({"seq": number, **event}).encode() + b"\n"
            for number, event in enumerate(told, start=1)
        )

    def files(self, now: datetime) -> dict[str, bytes]:
        """Return the files it has left behind by then, by path below the run folder."""
        if now < self.ends_at or not self.plan.has_adapter:
            return {}
        kept = {f"output/{name}": content for name, content in self.plan.files.items()}
        return {**kept, "manifest.json": manifest(self.plan.files)}

    @property
    def ends_at(self) -> datetime:
        planned = self._at(self.plan.exit_at)
        if self.stop_asked_at is None:
            return planned
        return min(planned, self.stop_asked_at + timedelta(seconds=self.plan.save_seconds))

    def _at(self, seconds: float) -> datetime:
        return self.started_at + timedelta(seconds=seconds)

    def _events(self, *, until: datetime) -> list[tuple[datetime, dict[str, Any]]]:
        plan, end = self.plan, self.ends_at
        stopped = end < self._at(plan.exit_at)
        events: list[tuple[datetime, dict[str, Any]]] = [
            (self._at(0), {"kind": "phase", "phase": "preflight"}),
            (self._at(1), {"kind": "phase", "phase": "install"}),
            (self._at(plan.train_from), {"kind": "phase", "phase": "train"}),
        ]
        told_seconds = (min(end, until) - self.started_at).total_seconds()
        for beat in range(int(told_seconds) // HEARTBEAT_SECONDS):
            moment = self._at((beat + 1) * HEARTBEAT_SECONDS)
            if plan.stalls is not None and moment >= self._at(plan.stalls):
                events.append((moment, {"kind": "heartbeat"}))
                continue
            values = {"train/loss": 3.0 / (beat + 1)}
            events.append((moment, {"kind": "metrics", "step": beat + 1, "values": values}))
        events = [(moment, event) for moment, event in events if moment < end]
        if plan.error is not None and not stopped:
            events.append((end, {"kind": "error", **plan.error}))
        events.append((end, {"kind": "exit", **self._exit(stopped=stopped)}))
        events.sort(key=lambda each: each[0])
        if plan.falls_silent is not None:
            silence = self._at(plan.falls_silent)
            events = [(moment, event) for moment, event in events if moment < silence]
        return events

    def _exit(self, *, stopped: bool) -> dict[str, Any]:
        outcome = "stopped" if stopped else self.plan.outcome
        return {"outcome": outcome, "exit_code": 0, "has_adapter": self.plan.has_adapter}
