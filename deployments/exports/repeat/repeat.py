"""Repeat this run on this machine: the same programs, data, rows held back, settings and seed.

Started by run.sh; needs Python 3.10 or newer and nothing but its standard library. The programs in
``payload`` are those that Slipway sends to a machine; they find or make the pinned environment.
Exit status: 0 when the run came to its end, 1 when it did not, 2 when something is missing here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DATA = HERE / "data" / "dataset.jsonl"
# What it is measured with, where that is a file of its own.
EVAL_DATA = HERE / "data" / "eval.jsonl"
# What a log has to say beside its lines.
SHOWN = ("train/loss", "eval/loss")


class MissingError(Exception):
    """Something that the run needs is not here; says what to do."""


def main() -> int:
    """Make a fresh folder, run the run in it, and compare its losses with the original's."""
    job = json.loads((HERE / "job.json").read_text(encoding="utf-8"))
    try:
        check_data(job)
        work = fresh_folder()
        prepare(work, job)
    except MissingError as error:
        say(str(error))
        return 2
    say(f"Running in {work}.")
    status, last = follow(work)
    if status != 0:
        say(f"The run did not come to its end; {work / 'run.jsonl'} tells why.")
        return 1
    compare(last, json.loads((HERE / "expected.json").read_text(encoding="utf-8")))
    say(f"The adapter is in {work / 'output' / 'adapter'}.")
    return 0


def check_data(job: Mapping[str, Any]) -> None:
    """The data must be the very bytes that were trained on."""
    wanted = job["dataset"]["sha256"]
    if not DATA.is_file():
        raise MissingError(
            f"The training data is not in this bundle. Put the file with sha256 {wanted} at {DATA}."
        )
    digest = hashlib.sha256()
    with DATA.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    if digest.hexdigest() != wanted:
        raise MissingError(f"{DATA} is not the data of this run: its sha256 is not {wanted}.")
    if job["dataset"].get("eval_file") and not EVAL_DATA.is_file():
        raise MissingError(f"The data it was measured with is missing: put it at {EVAL_DATA}.")


def fresh_folder() -> Path:
    """Return a new folder beside this file: a run begins where nothing is."""
    number = 1
    while True:
        work = HERE / ("work" if number == 1 else f"work-{number}")
        try:
            work.mkdir()
        except FileExistsError:
            number += 1
        else:
            return work


def prepare(work: Path, job: dict[str, Any]) -> None:
    """Lay out the folder as Slipway does on a machine it rents."""
    for path in (HERE / "payload").iterdir():
        shutil.copy2(path, work / path.name)
    (work / "data").mkdir()
    for path in DATA.parent.iterdir():
        (work / "data" / path.name).symlink_to(path)
    if (HERE / "start_adapter").is_dir():
        shutil.copytree(HERE / "start_adapter", work / "start_adapter")
    model = os.environ.get("SLIPWAY_MODEL_PATH", "")
    if model:
        folder = Path(model).resolve()
        if not (folder / "config.json").is_file():
            raise MissingError(f"SLIPWAY_MODEL_PATH is {model}, where no config.json is.")
        (work / "base_model").symlink_to(folder)
        job["base_model"]["kind"] = "local"
    elif job["base_model"]["kind"] == "local":
        raise MissingError(
            f"The base model {job['base_model']['id']} is not on the Hub. Set SLIPWAY_MODEL_PATH "
            "to the folder that holds it."
        )
    job["issued_at"] = time.time()
    job["on_cpu"] = on_cpu()
    if job["on_cpu"]:
        say("No GPU here: this runs on the CPU, slowly, and a GPU's losses differ in rounding.")
    (work / "job.json").write_text(json.dumps(job, indent=2, sort_keys=True), encoding="utf-8")


def on_cpu() -> bool:
    """Whether there is no GPU, or SLIPWAY_CPU=1 says to use none."""
    if os.environ.get("SLIPWAY_CPU") == "1" or shutil.which("nvidia-smi") is None:
        return True
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode != 0  # noqa: S607


def follow(work: Path) -> tuple[int, dict[str, tuple[int, float]]]:
    """Run the agent and print what it tells; return its exit status and each metric's last value.

    PYTHON, where it was given, is the python3 that trains if it has the pinned packages.
    """
    environment = dict(os.environ)
    if environment.get("PYTHON"):
        programs = work / "bin"
        programs.mkdir()
        python = programs / "python3"
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
        python.chmod(0o700)
        environment["PATH"] = f"{programs}:{environment.get('PATH', '')}"
    agent = subprocess.Popen([sys.executable, "agent.py"], cwd=work, env=environment)
    last: dict[str, tuple[int, float]] = {}
    for event in events(work / "run.jsonl", agent):
        values = event.get("values") or {}
        for name in values:
            if isinstance(values[name], (int, float)):
                last[name] = (int(event["step"]), float(values[name]))
        if event["kind"] == "log":
            say(f"{event['level']}: {event['text']}")
        elif event["kind"] == "phase":
            say(f"-- {event['phase']} {event.get('detail', '')}")
        elif event["kind"] == "error":
            say(f"{event['code']}: {event['message']} {event.get('remedy', '')}")
    return agent.wait(), last


def events(path: Path, agent: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yield each event of the run log as it comes, until the agent has ended."""
    read, over = 0, False
    while not over:
        over = agent.poll() is not None
        if not over:
            time.sleep(0.5)
        if not path.exists():
            continue
        with path.open("rb") as file:
            file.seek(read)
            chunk = file.read()
        whole = chunk.rfind(b"\n") + 1
        read += whole
        for line in chunk[:whole].splitlines():
            yield json.loads(line)


def compare(last: Mapping[str, tuple[int, float]], expected: Mapping[str, Any]) -> None:
    """Print the last losses beside those of the original run."""
    for name in SHOWN:
        if name not in last or name not in expected:
            continue
        (step, value), was = last[name], expected[name]
        same = (step, value) == (was["step"], was["value"])
        verdict = "the same" if same else f"the difference is {value - was['value']:.3g}"
        say(f"{name}: {value} at step {step}; then {was['value']} at step {was['step']}: {verdict}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
