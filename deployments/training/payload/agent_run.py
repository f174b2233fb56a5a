"""One run on the machine, phase by phase: from preflight to the end of training.

Standard library only.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import agent_machine
from agent_child import Child, end_leftovers
from agent_children import Children, environment_for, processes_of, train_command
from agent_clock import RunClock
from agent_data import obtain
from agent_failures import STOPPED, RunFailedError, failure
from agent_log import RunLog
from agent_pace import Pace
from agent_push import Push, begin
from agent_silence import ControlSilence
from agent_watch import Heart, StopAskedError, Wishes

# May be set in job.json under "limits". Slipway waits 60 s for a run to save when it is stopped.
LIMITS = {
    "install_tries": 3,
    "torch_tries": 3,
    "retry_seconds": 5.0,
    "download_patience_seconds": 120.0,
    "save_seconds": 40.0,
    "kill_after_seconds": 5.0,
    "poll_seconds": 0.2,
    # F44: see agent_pace.
    "stall_seconds": 900.0,
    "first_step_seconds": 1800.0,
    "merge_seconds": 3600.0,
    "push_seconds": 1.0,
    "last_push_seconds": 5.0,
}
BOOTSTRAP_GAVE_UP = 3


class Run:
    """One run in one folder, phase by phase."""

    def __init__(
        self, folder: Path, log: RunLog, *, clock: RunClock, wishes: Wishes, heart: Heart
    ) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.log = log
        self.clock = clock
        self.wishes = wishes
        self.heart = heart
        self.job: dict[str, Any] = {}
        self.limits: dict[str, Any] = dict(LIMITS)
        self.environment: dict[str, Any] = {}
        self.python = sys.executable
        self.model_path = "base_model"
        self.revision = ""
        self.push: Push | None = None
        self.exit_status: int | None = None
        self.trained = False
        self._children = Children(folder, log, on_event=self._take_event)
        self._pace: Pace | None = None

    def perform(self) -> str:
        """Do all of it and return the outcome, completed or stopped; raises what went wrong."""
        for name in ("control", "data", "output"):
            (self.folder / name).mkdir(exist_ok=True)
        self._read_job()
        try:
            self.say_phase("preflight")
            self._preflight()
            self._install()
            self.say_phase("download_data")
            self._obtain_data()
            self._obtain_model()
            return self._train()
        except StopAskedError as stop:
            self.say("info", f"Ending the run early, because of a {stop}.")
            return "stopped"

    def _read_job(self) -> None:
        try:
            self.job = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
            self.limits.update(self.job.get("limits") or {})
            # A restart does not win the run more time.
            left = float(self.job["deadline_seconds"]) - self.clock.used_seconds()
            silence_limit = float(self.job.get("silence_limit_seconds") or 0)
            self.heart.interval_seconds = max(0.1, float(self.job["heartbeat_seconds"]))
            self.job["base_model"]["id"], self.job["dataset"]["sha256"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFailedError(
                "E_CONFIG",
                f"The job file cannot be used: {type(error).__name__} {error}",
                remedy="Report it: Slipway wrote this file.",
            ) from None
        self.wishes.deadline = time.monotonic() + left
        self.push = begin(
            str(self.job.get("job_url") or ""),
            self.log,
            self.folder,
            interval_seconds=float(self.limits["push_seconds"]),
        )
        self.wishes.silence = ControlSilence(
            self.folder / "control",
            limit_seconds=silence_limit,
            accepted_through=lambda: self.push.accepted_through if self.push else 0,
        )

    def _preflight(self) -> None:
        self.wishes.check()
        if self.clock.rebooted:
            raise RunFailedError(
                "E_MACHINE_REBOOTED",
                "The machine was rebooted while the run was on it.",
                remedy="Start the run again.",
                retryable=True,
            )
        self.environment = agent_machine.check_machine(self.job, self.folder)
        if self.wishes.silence is not None:
            self.environment["control_silence_limit_seconds"] = self.wishes.silence.limit_seconds
        note = agent_machine.clock_note(self.job)
        if note:
            self.say("warning", note)
        self.log.append("environment", versions={}, **self.environment)

    def _install(self) -> None:
        tries = int(self.limits["install_tries"])
        for attempt in range(1, tries + 1):
            self.say_phase("install", f"try {attempt} of {tries}" if attempt > 1 else "")
            child = self.run_child(["sh", "bootstrap.sh"], name="install")
            said = {name: text for name, mark, text in _parts(child.tail) if mark}
            if child.status == 0 and "SLIPWAY_PYTHON" in said:
                self.python = said["SLIPWAY_PYTHON"]
                break
            reason = said.get("SLIPWAY_FAILURE") or " | ".join(list(child.tail)[-8:])[-1500:]
            if child.status == BOOTSTRAP_GAVE_UP or attempt == tries:
                raise RunFailedError(
                    "E_INSTALL",
                    f"The Python environment could not be made in {attempt} tries. {reason}",
                    remedy=said.get(
                        "SLIPWAY_REMEDY",
                        "Start the run again, on another image if it happens twice.",
                    ),
                    retryable=child.status != BOOTSTRAP_GAVE_UP,
                )
            self.wishes.pause(float(self.limits["retry_seconds"]) * attempt)
        if not self.environment["cpu_stand_in"]:
            expected = self.job.get("expected") or {}
            agent_machine.check_torch(
                self.python,
                gpu_count=int(expected.get("gpu_count") or 1),
                tries=int(self.limits["torch_tries"]),
            )
        found = agent_machine.installed(self.python)
        self.log.append("environment", **found, **self.environment)

    def _obtain_data(self) -> None:
        obtain(
            self.job["dataset"],
            self.folder / "data" / "dataset.jsonl",
            address=self.push.control_plane.dataset_address if self.push else None,
            patience_seconds=float(self.limits["download_patience_seconds"]),
            pause=self.wishes.pause,
            ask=self._ask_for_data,
            tell=self.say,
        )

    def _ask_for_data(self) -> None:
        self.log.append("request", request="dataset")

    def _obtain_model(self) -> None:
        """Fetch a model of the Hub (F38); a local one was brought before the agent was started."""
        if self.job["base_model"].get("kind") == "hub":
            self.say_phase("download_model", str(self.job["base_model"]["id"]))
            child = self.run_child([self.python, "fetch_model.py"], name="download")
            if child.status != 0 or "model" not in self._children.told:
                raise self._failure_of(child)
            model = self._children.told["model"]
            self.model_path, self.revision = str(model["path"]), str(model["revision"])
            self.say("info", f"The base model is here, at revision {self.revision}.")
        elif not (self.folder / "base_model" / "config.json").is_file():
            raise RunFailedError(
                "E_CONFIG",
                "The base model is not on the machine.",
                remedy="Start the run again.",
                retryable=True,
            )

    def _train(self) -> str:
        self.say_phase("train")
        self.trained = True
        self._pace = pace = Pace(
            least_seconds=float(self.limits["stall_seconds"]),
            first_step_seconds=float(self.limits["first_step_seconds"]),
        )
        processes = processes_of(self.job, self.environment)
        child = self._start(train_command(self.python, processes=processes), name="train")
        try:
            self._follow(child, pace)
        except StopAskedError:
            self._land(child)
            raise
        finally:
            if child.poll() is None:
                child.end(after_seconds=float(self.limits["kill_after_seconds"]))
            if processes > 1:
                # Each leads a group of its own, which outlives a launcher that is killed.
                end_leftovers(str(self.folder))
            self.exit_status = self._children.status_of(child)
        if self.exit_status == 0:
            return "completed"
        if self.exit_status == STOPPED:
            return "stopped"
        raise self._failure_of(child)

    def _follow(self, child: Child, pace: Pace) -> None:
        """Wait for the end of training; raises StopAskedError, or RunFailedError (E_STALLED)."""
        warned_at_step: object = self
        while child.poll() is None:
            self.wishes.check()
            if pace.hangs:
                self._end_hanging(child, pace)
                return
            if pace.still_seconds >= pace.warn_after_seconds and warned_at_step != pace.step:
                warned_at_step = pace.step
                self.say("warning", f"{_still(pace)} We wait as long again, then we end it.")
            time.sleep(float(self.limits["poll_seconds"]))

    def _end_hanging(self, child: Child, pace: Pace) -> None:
        """F44: one more chance to save, then an end that makes Python show where it stood."""
        why = failure("E_STALLED", job=self.job, detail=_still(pace))
        self._land(child)
        if child.poll() is None:
            child.end(after_seconds=float(self.limits["kill_after_seconds"]), first=signal.SIGABRT)
        raise why

    def _land(self, child: Child) -> None:
        """Let train.py save and end by itself, but not for ever."""
        # The deadline and a signal must reach train.py too; it looks for the file.
        self.wishes.stop_file.touch()
        limit = time.monotonic() + float(self.limits["save_seconds"])
        while child.poll() is None and time.monotonic() < limit:
            time.sleep(float(self.limits["poll_seconds"]))
        if child.poll() is None:
            self.say("warning", "Training did not end by itself in time, so we end it.")

    def run_child(
        self, command: Sequence[str], *, name: str, limit_seconds: float = math.inf
    ) -> Child:
        """Run a program to its end; raises StopAskedError, or TimeoutError past its limit."""
        child = self._start(command, name=name)
        limit = time.monotonic() + limit_seconds
        try:
            while child.poll() is None:
                self.wishes.pause(0.1)
                if time.monotonic() > limit:
                    raise TimeoutError(f"{name} took more than {limit_seconds:.0f} s")
        finally:
            if child.poll() is None:
                child.end(after_seconds=1)
        return child

    def _start(self, command: Sequence[str], *, name: str) -> Child:
        environment = environment_for(
            self.job,
            self.environment,
            folder=self.folder,
            model_path=self.model_path,
            revision=self.revision,
        )
        return self._children.start(command, name=name, environment=environment)

    def _failure_of(self, child: Child) -> RunFailedError:
        return self._children.failure_of(child, job=self.job, machine=self.heart.newest)

    def _take_event(self, event: Mapping[str, Any]) -> None:
        if self._pace is not None:
            self._pace.take(event)

    def say_phase(self, phase: str, detail: str = "") -> None:
        self.log.append("phase", phase=phase, detail=detail)

    def say(self, level: str, text: str) -> None:
        self.log.append("log", level=level, source="agent", text=text)


def _parts(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return what bootstrap.sh says to us, NAME=text, as parts."""
    return [line.partition("=") for line in lines if line.startswith("SLIPWAY_")]


def _still(pace: Pace) -> str:
    """Say where training stands and for how long."""
    where = f"Step {pace.step}" if pace.step else "No step yet, and nothing"
    return f"{where} has not moved for {pace.still_seconds / 60:.0f} minutes."
