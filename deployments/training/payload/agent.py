"""The agent: takes a run from an empty machine to an adapter, and tells of it in the run log.

Runs on the machine with the system's python3 (3.9 or newer) and nothing but the standard library.
It is started once by ``commands.start_agent`` in the run folder, where job.json says what to do;
``control/stop`` and ``control/save`` are how it is asked things later. However it goes, the last
line of run.jsonl is one exit event: the agent never dies without a word.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import adapter_files
import agent_machine
from agent_child import Child, end_leftovers, level_of
from agent_data import obtain
from agent_failures import STOPPED, RunFailedError, as_failure, explain_exit
from agent_log import RunLog
from agent_push import Push, begin
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
    "push_seconds": 1.0,
    "last_push_seconds": 5.0,
}
BOOTSTRAP_GAVE_UP = 3
TOLD_EVENTS = frozenset({"metrics", "progress", "checkpoint"})


class Run:
    """One run in one folder, phase by phase."""

    def __init__(self, folder: Path, log: RunLog, wishes: Wishes, heart: Heart) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.log = log
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
        self._told: dict[str, Mapping[str, Any]] = {}

    def perform(self) -> str:
        """Do all of it and return the outcome, completed or stopped; raises what went wrong."""
        for name in ("control", "data", "output"):
            (self.folder / name).mkdir(exist_ok=True)
        self._read_job()
        try:
            self._phase("preflight")
            self._preflight()
            self._install()
            self._phase("download_data")
            self._obtain_data()
            self._obtain_model()
            return self._train()
        except StopAskedError as stop:
            self._say("info", f"Ending the run early, because of a {stop}.")
            return "stopped"

    def _read_job(self) -> None:
        try:
            self.job = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
            self.limits.update(self.job.get("limits") or {})
            # A restart does not win the run more time.
            used = time.time() - self.log.started_at if self.log.seq else 0.0
            left = float(self.job["deadline_seconds"]) - max(0.0, used)
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

    def _preflight(self) -> None:
        self.wishes.check()
        self.environment = agent_machine.check_machine(self.job, self.folder)
        note = agent_machine.clock_note(self.job)
        if note:
            self._say("warning", note)
        self.log.append("environment", versions={}, **self.environment)

    def _install(self) -> None:
        tries = int(self.limits["install_tries"])
        for attempt in range(1, tries + 1):
            self._phase("install", f"try {attempt} of {tries}" if attempt > 1 else "")
            child = self._run_child(["sh", "bootstrap.sh"], name="install")
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
        found = agent_machine.versions(self.python)
        self.log.append("environment", versions=found, **self.environment)

    def _obtain_data(self) -> None:
        obtain(
            self.job["dataset"],
            self.folder / "data" / "dataset.jsonl",
            address=self.push.control_plane.dataset_address if self.push else None,
            patience_seconds=float(self.limits["download_patience_seconds"]),
            pause=self.wishes.pause,
            ask=self._ask_for_data,
            tell=self._say,
        )

    def _ask_for_data(self) -> None:
        self.log.append("request", request="dataset")

    def _obtain_model(self) -> None:
        """Fetch a model of the Hub (F38); a local one was brought before the agent was started."""
        if self.job["base_model"].get("kind") == "hub":
            self._phase("download_model", str(self.job["base_model"]["id"]))
            child = self._run_child([self.python, "fetch_model.py"], name="download")
            if child.status != 0 or "model" not in self._told:
                raise self._failure_of(child)
            model = self._told["model"]
            self.model_path, self.revision = str(model["path"]), str(model["revision"])
            self._say("info", f"The base model is here, at revision {self.revision}.")
        elif not (self.folder / "base_model" / "config.json").is_file():
            raise RunFailedError(
                "E_CONFIG",
                "The base model is not on the machine.",
                remedy="Start the run again.",
                retryable=True,
            )

    def _train(self) -> str:
        self._phase("train")
        self.trained = True
        child = self._start([self.python, "train.py"], name="train")
        try:
            while child.poll() is None:
                self.wishes.check()
                time.sleep(float(self.limits["poll_seconds"]))
        except StopAskedError:
            self._land(child)
            raise
        finally:
            if child.poll() is None:
                child.end(after_seconds=float(self.limits["kill_after_seconds"]))
            self.exit_status = child.status
        if child.status == 0:
            return "completed"
        if child.status == STOPPED:
            return "stopped"
        raise self._failure_of(child)

    def _land(self, child: Child) -> None:
        """Let train.py save and end by itself, but not for ever."""
        # The deadline and a signal must reach train.py too; it looks for the file.
        self.wishes.stop_file.touch()
        limit = time.monotonic() + float(self.limits["save_seconds"])
        while child.poll() is None and time.monotonic() < limit:
            time.sleep(float(self.limits["poll_seconds"]))
        if child.poll() is None:
            self._say("warning", "Training did not end by itself in time, so we end it.")

    def keep_adapter(self, outcome: str) -> None:
        """Check the adapter and write the manifest; raises RunFailedError when there is none.

        A run that did not complete may still have a good checkpoint: then that is its adapter.
        """
        self._phase("save")
        base_model = str(self.job["base_model"]["id"])
        if outcome != "completed" and not (self.output / "adapter").exists():
            rescued = adapter_files.rescue(
                self.output, base_model=base_model, revision=self.revision or None
            )
            if rescued is not None:
                self._say("info", f"The adapter is that of {rescued.name}.")
        adapter_files.check(self.output / "adapter")
        files = adapter_files.listed(self.output / "adapter", below=self.output)
        adapter_files.write_manifest(self.folder / "manifest.json", files)

    def _failure_of(self, child: Child) -> RunFailedError:
        """What the child said of its failure itself, else what its exit status and words say."""
        told = self._told.get("failure")
        if told is not None and (child.status or 0) > 0:
            return RunFailedError(
                str(told.get("code") or "E_TRAINING"),
                str(told.get("message") or "Training ended with an error."),
                remedy=str(told.get("remedy") or ""),
                retryable=told.get("retryable") is True,
            )
        return explain_exit(
            child.status or 0, tail=list(child.tail), job=self.job, machine=self.heart.newest
        )

    def _run_child(self, command: Sequence[str], *, name: str) -> Child:
        child = self._start(command, name=name)
        try:
            while child.poll() is None:
                self.wishes.pause(0.1)
        finally:
            if child.poll() is None:
                child.end(after_seconds=1)
        return child

    def _start(self, command: Sequence[str], *, name: str) -> Child:
        return Child(
            command,
            log=self.folder / f"{name}.log",
            environment=self._child_environment(),
            mark=str(self.folder),
            on_line=lambda line: self._take_line(name, line),
            on_event=self._take_event,
        )

    def _take_line(self, name: str, line: str) -> None:
        # What a script says to the agent alone is no news to a reader.
        if not line.startswith("SLIPWAY_"):
            self.log.text(level_of(line), name, line)

    def _take_event(self, event: Mapping[str, Any]) -> None:
        kind = str(event.get("kind"))
        fields = {key: event[key] for key in event if key not in ("seq", "time", "kind")}
        if kind in TOLD_EVENTS:
            self.log.append(kind, **fields)
        elif kind == "log":
            self.log.text(str(event.get("level")), "train", str(event.get("text")))
        elif kind in ("failure", "model"):
            self._told[kind] = event

    def _child_environment(self) -> dict[str, str]:
        card = self.environment.get("gpu") or {}
        stand_in = bool(self.environment.get("cpu_stand_in"))
        values = {
            "SLIPWAY_CPU": "1" if stand_in else "0",
            "SLIPWAY_DRIVER": str(card.get("driver_version") or ""),
            "SLIPWAY_COMPUTE_CAPABILITY": str(card.get("compute_cap") or ""),
            "SLIPWAY_TORCH_INDEX_URL": str(self.job.get("torch_index_url") or ""),
            "SLIPWAY_MODEL_PATH": self.model_path,
            "SLIPWAY_MODEL_REVISION": self.revision,
            # The run folder's disk is the large one (lambda-cloud-api.md section 9).
            "HF_HOME": str(self.folder / "hub"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            # What pinned libraries will change one day tells a user nothing.
            "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",
            # One GPU: with more in sight Trainer would fall back to DataParallel.
            "CUDA_VISIBLE_DEVICES": "" if stand_in else "0",
        }
        if self.job["base_model"].get("kind") != "hub":
            values["HF_HUB_OFFLINE"] = "1"
        defaults = {"OMP_NUM_THREADS": "1"} if stand_in else {}
        return {**defaults, **os.environ, **values}

    def _phase(self, phase: str, detail: str = "") -> None:
        self.log.append("phase", phase=phase, detail=detail)

    def _say(self, level: str, text: str) -> None:
        self.log.append("log", level=level, source="agent", text=text)


def _parts(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return what bootstrap.sh says to us, NAME=text, as parts."""
    return [line.partition("=") for line in lines if line.startswith("SLIPWAY_")]


def conclude(run: Run, wishes: Wishes) -> dict[str, Any]:
    """Perform the run and return the fields of its exit event, whatever happens."""
    outcome, error, has_adapter = "failed", None, False
    try:
        outcome = run.perform()
    except BaseException as problem:  # noqa: BLE001 (the agent must never die without a word)
        error = as_failure(problem)
    if run.trained:
        try:
            run.keep_adapter(outcome)
            has_adapter = True
        except BaseException as problem:  # noqa: BLE001 (as above)
            if outcome == "completed":
                outcome, error = "failed", as_failure(problem)
    if error is None and outcome == "stopped":
        error = _why_stopped(wishes, run.job)
    if error is not None:
        run.log.append("error", **error.as_event())
    status = run.exit_status
    return {
        "outcome": outcome,
        "exit_code": 128 - status if status is not None and status < 0 else status,
        "has_adapter": has_adapter,
        "error_code": error.code if error is not None else "",
    }


def _why_stopped(wishes: Wishes, job: Mapping[str, Any]) -> RunFailedError | None:
    """Return why a run ended early that nobody asked to stop, else None."""
    if wishes.reason == "deadline":
        return RunFailedError(
            "E_MAX_HOURS",
            f"The run reached its limit of {float(job['deadline_seconds']) / 3600:.4g} hours.",
            remedy="Raise max_hours, or train fewer steps.",
        )
    if wishes.reason == "signal":
        return RunFailedError(
            "E_MACHINE_STOPPING",
            "The machine told the run to end, as it does when it is shut down.",
            remedy="Start the run again.",
            retryable=True,
        )
    return None


def take_lock(folder: Path) -> bool:
    """Become the only agent of this folder for as long as we live (I11); False: there is one."""
    lock = folder / "lock"
    lock.mkdir(exist_ok=True)
    descriptor = os.open(lock / "held", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    part = lock / "pid.part"
    part.write_text(f"{os.getpid()}\n", encoding="ascii")
    part.replace(lock / "pid")
    return True


def main() -> int:
    """Run the job of the folder this file lies in."""
    folder = Path(__file__).resolve().parent
    os.umask(0o077)
    os.chdir(folder)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if not take_lock(folder):
        return 0
    wishes = Wishes(folder / "control")
    log = RunLog(folder / "run.jsonl")
    if log.ended:
        return 0
    if log.seq:
        ended = end_leftovers(str(folder))
        text = f"The agent was started again; it ended {ended} processes that were left."
        log.append("log", level="warning", source="agent", text=text)
    heart = Heart(log, folder)
    heart.start()
    run = Run(folder, log, wishes, heart)
    fields = conclude(run, wishes)
    heart.stop()
    if (folder / "manifest.json").exists() or fields["outcome"] == "completed":
        log.append("phase", phase="finished", detail="")
    log.end(**fields)
    if run.push is not None:
        run.push.finish(seconds=float(run.limits["last_push_seconds"]))
    return 0 if fields["outcome"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
