"""A run as a machine sees it: a login home, a run folder, and the real agent in real processes."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments import recipes
from deployments.training import commands
from deployments.training.job_file import PAYLOAD_FILES, build_job, run_folder
from tests.trainer import sample_data, sample_model, trainer_python

NAME = "slw-0a1b2c-3d4e5f60-a1-n0-t1"
MARK = "SLIPWAY_TEST_HOME"
HYPERPARAMETERS: dict[str, object] = {
    "lora_r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.0,
    "target_modules": "all-linear",
    "learning_rate": 2e-3,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.03,
    "weight_decay": 0.0,
    "num_train_epochs": 1.0,
    "max_steps": 20,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
    "assistant_only_loss": True,
    "gradient_checkpointing": True,
    "seed": 42,
    "logging_steps": 1,
    "save_steps": None,
}
# Of the sample data's files.
FORMS = {
    "chat.jsonl": "chat",
    "prompt-completion.jsonl": "prompt_completion",
    "preference.jsonl": "preference",
}
ROWS = (
    b'{"messages": [{"role": "user", "content": "1 + 1?"},'
    b' {"role": "assistant", "content": "2"}]}\n'
)


class Run:
    """One run folder below a login home, and the agent in it."""

    def __init__(self, home: Path, *, python: Path) -> None:
        self.home = home
        self.folder = home / run_folder(NAME)
        self.programs = home / "bin"
        self.job: dict[str, Any] = {}
        for folder in (self.folder, self.programs):
            folder.mkdir(parents=True)
        self.add_program("python3", f'exec {python} "$@"')
        for name, path, mode in PAYLOAD_FILES:
            shutil.copyfile(path, self.folder / name)
            (self.folder / name).chmod(mode)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.home),
            MARK: str(self.home),
        }

    def add_program(self, name: str, script: str) -> None:
        """Put a shell script on the machine's PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o700)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the run folder, whole at once."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".test-part")
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
        return path

    def add_training(self, script: str) -> None:
        """Append to the fake train.py, which has its helpers already."""
        self.write("train.py", (self.folder / "train.py").read_text() + script)

    def write_job(self) -> None:
        self.write("job.json", json.dumps(self.job))

    def start(self) -> int:
        """Start the agent as the control plane does, and return the pid that it prints."""
        self.write_job()
        return int(self.shell(commands.start_agent(NAME)).stdout)

    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as a login over SSH would."""
        return subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", command],
            cwd=self.home,
            env=self.environment,
            check=check,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the events that the run log holds whole, all or those of a kind."""
        path = self.folder / "run.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [event for event in events if kind is None or event["kind"] == kind]

    def phases(self) -> list[str]:
        """Return the phases that the run has gone through."""
        return [event["phase"] for event in self.events("phase")]

    def wait_for(
        self, wanted: Callable[[], object], *, what: str = "it", seconds: float = 300
    ) -> None:
        """Wait until something is so; fails with the end of the run log."""
        limit = time.monotonic() + seconds
        while not wanted():
            if time.monotonic() > limit:
                told = [event for event in self.events() if event["kind"] != "heartbeat"]
                raise AssertionError(f"{what} did not happen: {told[-12:]}")
            time.sleep(0.02)

    def wait_for_event(self, kind: str, **fields: object) -> dict[str, Any]:
        """Wait for an event with these fields and return it."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [e for e in self.events(kind) if fields.items() <= e.items()]
            return bool(found)

        self.wait_for(look, what=f"{kind} {fields}")
        return found[0]

    def wait_for_exit(self) -> dict[str, Any]:
        """Wait for the exit event and for the agent's own end; return the event."""
        self.wait_for(lambda: not self.agent_lives(), what="the agent's end")
        (event,) = self.events("exit")
        return event

    def agent_pid(self) -> int:
        return int((self.folder / "lock" / "pid").read_text())

    def agent_lives(self) -> bool:
        return self.agent_pid() in self.processes()

    def processes(self) -> list[int]:
        """Return the pids of everything that runs on this machine."""
        mark = f"{MARK}={self.home}".encode()
        return [pid for pid in _pids() if mark in _environment_of(pid).split(b"\0")]

    def result(self) -> dict[str, Any]:
        """Start the agent, wait for its end and return the exit event."""
        self.start()
        return self.wait_for_exit()


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment_of(pid: int) -> bytes:
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return b""
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@contextmanager
def machine(home: Path, *, python: Path, job: Mapping[str, Any]) -> Iterator[Run]:
    """Yield a machine with a run folder; whatever still runs there at the end is killed."""
    run = Run(home, python=python)
    run.job = dict(job)
    try:
        yield run
    finally:
        while left := run.processes():
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.02)


def make_job(rows: bytes = ROWS, **changes: Any) -> dict[str, Any]:
    """Return a job for a CPU stand-in that is as quick as can be."""
    job = build_job(
        run_id=NAME,
        recipe={
            "method": "sft",
            "base_model": "local:slipway-sample",
            "revision": None,
            "hyperparameters": HYPERPARAMETERS,
            "eval": {"share": 0.1, "steps": None},
        },
        base_model={"kind": "local", "id": "local:slipway-sample", "revision": None},
        dataset={
            "sha256": hashlib.sha256(rows).hexdigest(),
            "rows": rows.count(b"\n"),
            "size_bytes": len(rows),
            "format": "chat",
        },
        deadline_seconds=600,
        heartbeat_seconds=0.5,
        silence_limit_seconds=0,
        allow_cpu=True,
        expected={"gpu_count": 1, "vram_gib": 24, "architecture": "x86_64"},
        limits={
            "retry_seconds": 0.05,
            "download_patience_seconds": 0.5,
            "save_seconds": 2,
            "kill_after_seconds": 0.3,
            "poll_seconds": 0.02,
            "push_seconds": 0.05,
            "last_push_seconds": 5,
        },
    )
    return {**job, **changes}


def use_method(run: Run, method: str, **changes: Any) -> None:
    """Make the run's recipe one of another method, with its own defaults and these changes."""
    kept = {
        name: run.job["recipe"]["hyperparameters"][name] for name in ("max_steps", "max_length")
    }
    settings = recipes.defaults_of(method) | kept | changes
    run.job["recipe"] = {**run.job["recipe"], "method": method, "hyperparameters": settings}


@contextmanager
def fake_machine(home: Path, *, train: str = "", rows: bytes = ROWS) -> Iterator[Run]:
    """Yield a CPU stand-in whose install is instant and whose train.py is the given script."""
    with machine(home, python=Path(sys.executable), job=make_job(rows)) as run:
        (home / ".slipway-cpu-stand-in").touch()
        run.write("bootstrap.sh", f"echo SLIPWAY_PYTHON={sys.executable}\n")
        run.write("train.py", FAKE_TRAINING + train)
        run.write("base_model/config.json", "{}")
        run.write("data/dataset.jsonl", rows)
        yield run


@contextmanager
def training_machine(home: Path, *, data: str = "chat.jsonl", rows: int = 400) -> Iterator[Run]:
    """Yield a machine as the sandbox makes them: a CPU stand-in whose python3 has the trainer."""
    lines = (sample_data() / data).read_bytes().splitlines(keepends=True)[:rows]
    content = b"".join(lines)
    with machine(home, python=trainer_python(), job=make_job(content)) as run:
        (home / ".slipway-cpu-stand-in").touch()
        shutil.copytree(sample_model(), run.folder / "base_model")
        run.write("data/dataset.jsonl", content)
        run.job["limits"]["save_seconds"] = 30
        run.job["dataset"]["format"] = FORMS[data]
        yield run


# What a fake train.py may use.
FAKE_TRAINING = """
import json, os, signal, struct, sys, time
from pathlib import Path
from payload_events import tell

def wait_for_stop():
    while not Path("control/stop").exists():
        time.sleep(0.01)

def save_adapter(folder="output/adapter", value=1.0, base="base_model"):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path = Path(folder)
    path.mkdir(parents=True)
    weights = len(header).to_bytes(8, "little") + header + struct.pack("<f", value)
    (path / "adapter_model.safetensors").write_bytes(weights)
    (path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    (path / "README.md").write_text("of " + base)
    (path / "training_args.bin").write_bytes(b"a pickle")

"""
