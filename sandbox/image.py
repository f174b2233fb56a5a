"""The files of a new machine: its home, its temporary folder, its first programs on PATH."""

import json
import shlex
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from sandbox import nvidia_smi
from sandbox.catalogue import InstanceType

# What tells a client that this image stands in for a GPU with the CPU (ARCHITECTURE idea 4).
CPU_STAND_IN_FILE = ".slipway-cpu-stand-in"
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
    def gpus(self) -> Path:
        return self.folder / "gpus.json"


def write_image(files: MachineFiles, *, instance_type: InstanceType, image_python: Path) -> None:
    """Make the files of a machine that is about to boot."""
    for folder in (files.home, files.temporary, files.programs):
        folder.mkdir(mode=0o700, parents=True)
    (files.home / CPU_STAND_IN_FILE).write_text(
        "This image has no GPU: nvidia-smi is a stub, and training runs on the CPU.\n",
        encoding="utf-8",
    )
    card = instance_type.card
    facts = nvidia_smi.gpu_facts(
        uuids=[f"GPU-{uuid.uuid4()}" for _ in range(instance_type.gpus)],
        name=card.smi_name,
        memory_mib=card.smi_memory_mib,
        compute_cap=card.compute_capability,
    )
    files.gpus.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    # -I and -S: no site packages and no user settings, so that the stub starts quickly.
    stub = [sys.executable, "-I", "-S", nvidia_smi.__file__, str(files.gpus)]
    _write_program(files.programs / "nvidia-smi", stub)
    # A link would not do: a virtual environment is found by the path that its python is called by.
    _write_program(files.programs / "python3", [str(image_python)])


def shell_environment(files: MachineFiles, *, user: str) -> dict[str, str]:
    """Return what a login on the machine finds in its environment; nothing of ours comes along."""
    return {
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
