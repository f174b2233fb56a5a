"""A run on a virtual machine: its log and its files, as functions of the time."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

HEARTBEAT_SECONDS = 15
# What T3 and F42 speak of: no JSON, no object, no number, markup, control characters, depth.
HOSTILE_LINES = (
    b"\x00\xff not JSON\n",
    b"[1, 2]\n",
    b'{"seq": -1, "kind": "exit", "outcome": "completed", "has_adapter": true}\n',
    b'{"seq": "1", "kind": "log", "text": "no number"}\n',
    b'{"kind": "log", "text": "<script>alert(1)</script>\\u001b[31m\\u0000"}\n',
    b"[" * 2000 + b"\n",
    b'{"seq": 1e400, "kind": "metrics", "step": 1, "values": {"train/loss": NaN}}\n',
)


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


def checkpoint_files(step: int) -> dict[str, bytes]:
    """Return the files of a checkpoint, by their names in the run log; no two steps alike."""
    made = {
        "adapter_model.safetensors": safetensors(step.to_bytes(8, "little")),
        "adapter_config.json": b"{}",
        "optimizer.pt": b"a pickle of step %d" % step,
        "rng_state.pth": b"a pickle",
        "scheduler.pt": b"a pickle",
        "trainer_state.json": b'{"global_step": %d}' % step,
    }
    files = {f"checkpoint-{step}/{name}": content for name, content in made.items()}
    return {**files, f"checkpoint-{step}/manifest.json": manifest(files)}


def manifest(files: dict[str, bytes]) -> bytes:
    """Return the manifest of these files."""
    return json.dumps({"files": listed(files)}).encode()


def listed(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """Return these files as a machine lists them."""
    return [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]


@dataclass
class Plan:
    """What the next agents will do. Seconds count from the agent's start.

    ``falls_silent``: when the log stops for good; ``stalls``: from when on no step ends;
    ``error``: what it tells before it fails; ``save_steps``: after how many steps it saves a
    checkpoint each time, None for never; ``hostile``: its log holds what a machine that means us
    harm might write.
    """

    train_from: float = 20
    exit_at: float = 80
    save_seconds: float = 5
    outcome: str = "completed"
    has_adapter: bool = True
    falls_silent: float | None = None
    stalls: float | None = None
    hostile: bool = False
    error: dict[str, Any] | None = None
    save_steps: int | None = None
    files: dict[str, bytes] = field(default_factory=adapter_files)


@dataclass
class Agent:
    """One agent that was started; ``stop_asked_at`` is when it was told to stop.

    It goes on from the step ``from_step``, and keeps the checkpoint that is ``held``; ``died_at``
    is when its machine was started anew.
    """

    plan: Plan
    started_at: datetime
    stop_asked_at: datetime | None = None
    from_step: int = 0
    held: str = ""
    died_at: datetime | None = None

    def log(self, now: datetime) -> bytes:
        """Return the run log as it is by then; it only ever grows."""
        if self.died_at is not None:
            now = min(now, self.died_at)
        told = [event for moment, event in self._events(until=now) if moment <= now]
        between = b"".join(HOSTILE_LINES) if self.plan.hostile else b""
        return b"".join(
            between + json.dumps({"seq": number, **event}).encode() + b"\n"
            for number, event in enumerate(told, start=1)
        )

    def files(self, now: datetime) -> dict[str, bytes]:
        """Return the files it has left behind by then, by path below the run folder."""
        if self.died_at is not None:
            now = min(now, self.died_at)
        kept = {
            f"output/{name}": content
            for step in self._kept_steps(now)
            for name, content in checkpoint_files(step).items()
        }
        if now < self.ends_at or not self.plan.has_adapter:
            return kept
        adapter = {f"output/{name}": content for name, content in self.plan.files.items()}
        return {**kept, **adapter, "manifest.json": manifest(self.plan.files)}

    def _kept_steps(self, now: datetime) -> list[int]:
        """The newest two checkpoints, and the one that is being brought home."""
        told = [event for moment, event in self._events(until=now) if moment <= now]
        steps = [int(event["step"]) for event in told if event["kind"] == "checkpoint"]
        return [s for s in steps if s in steps[-2:] or f"checkpoint-{s}" == self.held]

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
            step = self.from_step + beat + 1
            values = {"train/loss": 3.0 / step}
            events.append((moment, {"kind": "metrics", "step": step, "values": values}))
            if plan.save_steps and step % plan.save_steps == 0:
                files = listed(checkpoint_files(step))
                events.append((moment, {"kind": "checkpoint", "step": step, "files": files}))
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
