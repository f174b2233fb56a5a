"""The programs that a run starts: what they are given, and what they tell while they work.

Standard library only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, List, Mapping, Sequence

from agent_child import Child, level_of
from agent_crash import explain_exit
from agent_failures import RunFailedError
from agent_kernel import Kernel, KernelNews
from agent_log import RunLog

TOLD_EVENTS = frozenset({"metrics", "progress", "checkpoint", "sample"})


class Children:
    """Starts the run's programs, keeps what they say in the run log, and knows why one failed."""

    def __init__(self, folder: Path, log: RunLog, *, on_event: Callable[[Any], None]) -> None:
        """``on_event`` gets every event that a program tells, on the thread that reads it."""
        self.told: dict[str, Mapping[str, Any]] = {}
        self._folder = folder
        self._log = log
        self._on_event = on_event
        self._kernel: Kernel | None = None

    def start(self, command: Sequence[str], *, name: str, environment: Mapping[str, str]) -> Child:
        """Start a program; its output goes to ``<name>.log`` and, in bounds, into the run log."""
        self._kernel = Kernel()
        return Child(
            command,
            log=self._folder / f"{name}.log",
            environment=environment,
            mark=str(self._folder),
            on_line=lambda line: self._take_line(name, line),
            on_event=self._take_event,
        )

    def failure_of(
        self, child: Child, *, job: Mapping[str, Any], machine: Mapping[str, Any]
    ) -> RunFailedError:
        """Return why a program failed: by its own words, its exit status, and the kernel's log."""
        told = self.told.get("failure")
        own = None
        if told is not None and (child.status or 0) > 0:
            own = RunFailedError(
                str(told.get("code") or "E_TRAINING"),
                str(told.get("message") or "Training ended with an error."),
                remedy=str(told.get("remedy") or ""),
                retryable=told.get("retryable") is True,
            )
        return explain_exit(
            child.status or 0,
            own=own,
            tail=list(child.tail),
            job=job,
            machine=machine,
            kernel=self._kernel.news() if self._kernel else KernelNews(),
        )

    def status_of(self, child: Child) -> int | None:
        """Return a program's exit status; of several processes as the first of them told it.

        torchrun answers 1 whatever they answer.
        """
        told = self.told.get("ended", {}).get("status")
        return told if child.status == 1 and isinstance(told, int) else child.status

    def _take_failure(self, event: Mapping[str, Any]) -> None:
        """Keep the first failure of several processes; that contact was lost follows from it."""
        before = self.told.get("failure")
        if before is None or before.get("code") == "E_NCCL":
            self.told["failure"] = event

    def _take_line(self, name: str, line: str) -> None:
        # What a script says to the agent alone is no news to a reader.
        if not line.startswith("SLIPWAY_"):
            self._log.text(level_of(line), name, line)

    def _take_event(self, event: Mapping[str, Any]) -> None:
        kind = str(event.get("kind"))
        fields = {key: event[key] for key in event if key not in ("seq", "time", "kind")}
        if kind in TOLD_EVENTS:
            self._log.append(kind, **fields)
        elif kind == "log":
            self._log.text(str(event.get("level")), "train", str(event.get("text")))
        elif kind == "failure":
            self._take_failure(event)
        elif kind in ("model", "ended"):
            self.told[kind] = event
        self._on_event(event)


def processes_of(job: Mapping[str, Any], facts: Mapping[str, Any]) -> int:
    """Return how many processes train: one for each card that was rented.

    Where a CPU stands in for the cards, no more than it has cores.
    """
    count = max(1, int((job.get("expected") or {}).get("gpu_count") or 1))
    return min(count, os.cpu_count() or 1) if facts.get("cpu_stand_in") else count


def train_command(python: str, *, processes: int) -> List[str]:
    """Return the command that trains; several processes are torchrun's, on this machine alone."""
    if processes == 1:
        return [python, "train.py"]
    launcher = [python, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    return [*launcher, "--nproc-per-node", str(processes), "train.py"]


def environment_for(
    job: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    folder: Path,
    model_path: str,
    revision: str,
) -> dict[str, str]:
    """Return the environment of the run's programs; ``facts`` is the environment event so far."""
    card = facts.get("gpu") or {}
    stand_in = bool(facts.get("cpu_stand_in"))
    values = {
        "SLIPWAY_CPU": "1" if stand_in else "0",
        "SLIPWAY_DRIVER": str(card.get("driver_version") or ""),
        "SLIPWAY_COMPUTE_CAPABILITY": str(card.get("compute_cap") or ""),
        "SLIPWAY_TORCH_INDEX_URL": str(job.get("torch_index_url") or ""),
        "SLIPWAY_MODEL_PATH": model_path,
        "SLIPWAY_MODEL_REVISION": revision,
        # The run folder's disk is the large one (lambda-cloud-api.md section 9).
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        # A crash below Python, or a hang that we end, shows where it was.
        "PYTHONFAULTHANDLER": "1",
        # What pinned libraries will change one day tells a user nothing.
        "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",
        # As many as there are processes: with more in sight Trainer would use DataParallel.
        "CUDA_VISIBLE_DEVICES": ""
        if stand_in
        else ",".join(str(number) for number in range(processes_of(job, facts))),
    }
    if job.get("hub_endpoint"):
        values["HF_ENDPOINT"] = str(job["hub_endpoint"])
    if job["base_model"].get("kind") != "hub":
        values["HF_HUB_OFFLINE"] = "1"
    defaults = {"OMP_NUM_THREADS": "1"} if stand_in else {}
    return {**defaults, **os.environ, **values}
