"""The files of a new machine: its home, its temporary folder, its first programs on PATH."""

import json
import shlex
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from sandbox import nvidia_smi
from sandbox.catalogue import InstanceType
from sandbox.life_script import LifeScript

# What tells a client that this image stands in for a GPU with the CPU (ARCHITECTURE idea 4).
CPU_STAND_IN_FILE = ".slipway-cpu-stand-in"
# What the real program says when the driver is not loaded (written from memory), with status 9.
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running."
)
NO_DRIVER_STATUS = 9
# Read by every Python at its start, when it lies on PYTHONPATH.
FULL_DISK = """\"\"\"The disk of this machine is said to be full: a fault of the sandbox.\"\"\"
import shutil

_disk_usage = shutil.disk_usage


def disk_usage(path):
    usage = _disk_usage(path)
    return usage._replace(free=min(usage.free, {free_bytes}))


shutil.disk_usage = disk_usage
"""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class MachineFiles:
    """Where one machine's files are. The folder's name is short: socket paths end at 107 bytes."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    @property
    def python_faults(self) -> Path:
        """Return the folder that is on PYTHONPATH when it is there."""
        return self.folder / "python-faults"

    @property
    def gpus(self) -> Path:
        return self.folder / "gpus.json"


def write_image(
    files: MachineFiles, *, instance_type: InstanceType, image_python: Path, script: LifeScript
) -> None:
    """Make the files of a machine that is about to boot."""
    for folder in (files.home, files.temporary, files.programs):
        folder.mkdir(mode=0o700, parents=True)
    if not script.has("no_stand_in"):
        (files.home / CPU_STAND_IN_FILE).write_text(
            "This image has no GPU: nvidia-smi is a stub, and training runs on the CPU.\n",
            encoding="utf-8",
        )
    if script.disk_bytes is not None:
        files.python_faults.mkdir(mode=0o700)
        (files.python_faults / "sitecustomize.py").write_text(
            FULL_DISK.format(free_bytes=script.disk_bytes), encoding="utf-8"
        )
    _write_nvidia_smi(files, shown=script.shown_type(instance_type), script=script)
    # A link would not do: a virtual environment is found by the path that its python is called by.
    _write_program(files.programs / "python3", [str(image_python)])


def _write_nvidia_smi(files: MachineFiles, *, shown: InstanceType, script: LifeScript) -> None:
    card = shown.card
    facts = nvidia_smi.gpu_facts(
        uuids=[f"GPU-{uuid.uuid4()}" for _ in range(shown.gpus)],
        name=card.smi_name,
        memory_mib=card.smi_memory_mib,
        compute_cap=card.compute_capability,
    )
    files.gpus.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    if script.has("gpu_fails"):
        says = f"echo {shlex.quote(NO_DRIVER)}; exit {NO_DRIVER_STATUS}"
        _write_program(files.programs / "nvidia-smi", ["/bin/sh", "-c", says])
        return
    # -I and -S: no site packages and no user settings, so that the stub starts quickly.
    stub = [sys.executable, "-I", "-S", nvidia_smi.__file__, str(files.gpus)]
    _write_program(files.programs / "nvidia-smi", stub)


def shell_environment(files: MachineFiles, *, user: str) -> dict[str, str]:
    """Return what a login on the machine finds in its environment; nothing of ours comes along."""
    extra = {"PYTHONPATH": str(files.python_faults)} if files.python_faults.exists() else {}
    return {
        **extra,
        "HOME": str(files.home),
        "LANG": "C.UTF-8",
        "LOGNAME": user,
        "PATH": f"{files.programs}:{SYSTEM_PATH}",
        "PWD": str(files.home),
        "SHELL": "/bin/bash",
        "TMPDIR": str(files.temporary),
        "USER": user,
    }


def _write_program(path: Path, command: list[str]) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    path.chmod(0o700)
