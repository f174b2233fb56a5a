"""The machine as it is: its figures for the heartbeat, and whether it is what was paid for.

Standard library only. GPU figures come from nvidia-smi, the rest from /proc.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Mapping

from agent_failures import RunFailedError

STAND_IN_FILE = ".slipway-cpu-stand-in"
GIB = 1024**3
# A card shows up to 6 % less than its name says: ECC, and GB taken for GiB (an A10 "24 GB" shows
# 23,028 MiB; GPU lists in lambda-cloud-api.md).
VRAM_TOLERANCE = 0.1
# Packages with their CUDA libraries, their cache while installing, and a small base model.
DISK_NEED_GPU_BYTES = 15 * GIB
DISK_NEED_CPU_BYTES = GIB // 4
_GPU_FIELDS = (
    ("index", int),
    ("name", str),
    ("driver_version", str),
    ("compute_cap", str),
    ("memory.total", int),
    ("memory.used", int),
    ("utilization.gpu", int),
    ("temperature.gpu", int),
    ("power.draw", float),
)
_GPU_NAMES = {
    "memory.total": "memory_total_mib",
    "memory.used": "memory_used_mib",
    "utilization.gpu": "utilization_percent",
    "temperature.gpu": "temperature_celsius",
    "power.draw": "power_watts",
}
# One process that uses the GPU for a moment; the numbers of nvidia-smi alone prove nothing (F31:
# error 802 was seen on machines whose nvidia-smi looked well).
_TORCH_CHECK = """
import json, torch
assert torch.cuda.is_available(), "torch.cuda.is_available() is false"
square = torch.ones(64, 64, device="cuda") @ torch.ones(64, 64, device="cuda")
assert float(square.sum()) == 64.0 ** 3, "the GPU calculates wrongly"
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda,
                  "count": torch.cuda.device_count()}))
"""
_VERSIONS = """
import importlib.metadata, json, platform
found = {"python": platform.python_version()}
for name in ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers",
             "bitsandbytes"):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
all = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
freeze = sorted(f"{name}=={version}" for name, version in all.items() if name)
print(json.dumps({"versions": found, "freeze": freeze}))
"""
# The record it stands in is dropped as a whole where it is too large for one.
FREEZE_CHARACTERS = 10_000


def is_stand_in() -> bool:
    """Return whether the image declares that a CPU stands in for its GPU."""
    return (Path.home() / STAND_IN_FILE).exists()


def gpus() -> tuple[list[dict[str, Any]], str]:
    """Return what nvidia-smi shows of each GPU, and its complaint when it shows none."""
    query = ",".join(name for name, _ in _GPU_FIELDS)
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [], f"nvidia-smi did not run: {error}"
    if done.returncode != 0:
        return [], f"nvidia-smi said: {(done.stdout + done.stderr).strip()[:500]}"
    found = [_gpu(line) for line in done.stdout.splitlines() if line.strip()]
    return found, "" if found else "nvidia-smi lists no GPU"


def _gpu(line: str) -> dict[str, Any]:
    gpu: dict[str, Any] = {}
    for (name, kind), text in zip(_GPU_FIELDS, line.split(",")):  # noqa: B905 (Python 3.9)
        try:
            gpu[_GPU_NAMES.get(name, name)] = kind(text.strip())
        except ValueError:
            # "[N/A]" for what a card does not measure.
            gpu[_GPU_NAMES.get(name, name)] = None
    return gpu


class Figures:
    """The heartbeat's figures; CPU use is measured from one call to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cpu_before = _cpu_times()

    def read(self) -> dict[str, Any]:
        """Return the figures of now; whatever the machine does not tell is left out."""
        disk = shutil.disk_usage(self.folder)
        figures: dict[str, Any] = {
            "disk_free_bytes": disk.free,
            "disk_total_bytes": disk.total,
            "cpu_count": os.cpu_count(),
            "load_1m": round(os.getloadavg()[0], 2),
            "gpus": gpus()[0],
        }
        figures.update(_memory())
        before, self._cpu_before = self._cpu_before, _cpu_times()
        busy, total = (now - then for now, then in zip(self._cpu_before, before))  # noqa: B905
        if total > 0:
            figures["cpu_percent"] = round(100 * busy / total, 1)
        return figures


def _memory() -> dict[str, int]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kibibytes = {
            name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines)
        }
        total, free = kibibytes["MemTotal"] * 1024, kibibytes["MemAvailable"] * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return {}
    return {"memory_total_bytes": total, "memory_used_bytes": total - free}


def _cpu_times() -> tuple[float, float]:
    """Return busy and whole CPU time so far, in clock ticks (proc(5), first line of /proc/stat)."""
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        ticks = [float(field) for field in line.split()[1:9]]
        idle = ticks[3] + ticks[4]
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
    return sum(ticks) - idle, sum(ticks)


def check_machine(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the environment as far as it shows without torch; raises RunFailedError (F31, F32)."""
    expected = job.get("expected") or {}
    # ``on_cpu`` is said by who repeats a run, never by Slipway.
    stand_in = is_stand_in() or job.get("on_cpu") is True
    cards, complaint = gpus()
    if stand_in and not job.get("allow_cpu"):
        raise RunFailedError(
            "E_NO_GPU",
            "The machine's image has no GPU: it declares that a CPU stands in for it.",
            remedy="Start on a machine with a GPU; a sandbox needs ALLOW_CPU_MACHINES=1.",
            retryable=True,
        )
    architecture = _architecture(platform.machine())
    if not stand_in:
        _check_gpus(cards, complaint, expected)
        wanted = _architecture(str(expected.get("architecture") or architecture))
        if architecture != wanted:
            raise _other_machine(f"Its CPU is {architecture}, not {wanted}.")
    _check_disk(job, folder, stand_in=stand_in)
    return {
        "cpu_stand_in": stand_in,
        "gpu": None if stand_in or not cards else cards[0],
        "gpu_count": 0 if stand_in else len(cards),
        "architecture": architecture,
        "cpu_count": os.cpu_count(),
        **_memory(),
    }


def _check_gpus(cards: list[dict[str, Any]], complaint: str, expected: Mapping[str, Any]) -> None:
    if not cards:
        raise RunFailedError(
            "E_NO_GPU",
            f"The machine has no usable GPU: {complaint}.",
            remedy="Start the run again; choose another region or GPU type if it happens twice.",
            retryable=True,
        )
    count = int(expected.get("gpu_count") or 1)
    if len(cards) < count:
        raise _other_machine(f"It shows {len(cards)} GPUs, not {count}.")
    vram = float(expected.get("vram_gib") or 0)
    for card in cards[:count]:
        shown = (card["memory_total_mib"] or 0) / 1024
        if shown < vram * (1 - VRAM_TOLERANCE):
            raise _other_machine(f"A GPU shows {shown:.1f} GiB of memory, not {vram:g} GiB.")


def _other_machine(difference: str) -> RunFailedError:
    return RunFailedError(
        "E_WRONG_GPU",
        f"The machine is not what was rented. {difference}",
        remedy="Start the run again; choose another region or GPU type if it happens twice.",
        retryable=True,
    )


def _check_disk(job: Mapping[str, Any], folder: Path, *, stand_in: bool) -> None:
    """F35: the data (twice: as it came, and tokenised), and packages, model and checkpoints."""
    data = int((job.get("dataset") or {}).get("size_bytes") or 0)
    need = 2 * data + (DISK_NEED_CPU_BYTES if stand_in else DISK_NEED_GPU_BYTES)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise RunFailedError(
            "E_DISK",
            f"The disk has {free / GIB:.1f} GiB free; the run needs {need / GIB:.1f} GiB.",
            remedy="Choose a machine with a larger disk.",
        )


def _architecture(name: str) -> str:
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name.lower(), name.lower())


def clock_note(job: Mapping[str, Any]) -> str:
    """Return a note when the machine's clock differs from the control plane's by over a minute.

    The job file is written seconds before the agent starts, but a start may be repeated later.
    """
    issued = job.get("issued_at")
    if not isinstance(issued, (int, float)):
        return ""
    ahead = time.time() - issued
    if -60 <= ahead <= 900:
        return ""
    where = "ahead of" if ahead > 0 else "behind"
    return f"The machine's clock is about {abs(ahead):.0f} s {where} the control plane's."


def check_torch(python: str, *, gpu_count: int, tries: int = 3, pause_seconds: float = 10) -> None:
    """Use the GPU once through torch; raises RunFailedError with what torch said (F31)."""
    said = ""
    for attempt in range(tries):
        if attempt:
            # Error 802, "system not yet initialised", may pass: the fabric manager starts late.
            time.sleep(pause_seconds)
        said, found = _ask(python, _TORCH_CHECK, timeout_seconds=180)
        if found.get("count", 0) >= gpu_count:
            return
        if found:
            said = f"torch sees {found['count']} GPUs, not {gpu_count}"
    raise RunFailedError(
        "E_NO_GPU",
        f"CUDA cannot be used on this machine: {said}.",
        remedy="Start the run again; choose another region or GPU type if it happens twice.",
        retryable=True,
    )


def installed(python: str) -> dict[str, Any]:
    """Return ``versions`` of Python and of what trains, and ``freeze``, all packages there are.

    Nothing is imported. ``freeze`` ends where a record has no more room.
    """
    found = _ask(python, _VERSIONS, timeout_seconds=60)[1]
    room, freeze = FREEZE_CHARACTERS, []
    for line in found.get("freeze", []):
        room -= len(line) + 4
        if room >= 0:
            freeze.append(line)
    return {"versions": found.get("versions", {}), "freeze": freeze}


def _ask(python: str, program: str, *, timeout_seconds: float) -> tuple[str, dict[str, Any]]:
    """Return the end of what a short program said, and the JSON object it printed, if it did."""
    try:
        done = subprocess.run(  # noqa: S603
            [python, "-c", program],
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return str(error)[-500:], {}
    return done.stderr.strip()[-500:], answer if isinstance(answer, dict) else {}
