"""The files of a new machine: its home, its temporary folder, its first programs on PATH."""

import json
import shlex
import sys
import time
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
# What it says when a card has fallen off the bus (written from memory), with status 15.
GPU_LOST = (
    "Unable to determine the device handle for GPU0: 0000:06:00.0: GPU is lost.  Reboot the system "
    "to recover this GPU"
)
GPU_LOST_STATUS = 15
# A python3 without the trainer's packages, on a machine that cannot fetch them.
INSTALL_FAILS = """\
#!/bin/sh
# A fault of the sandbox.
left=$(cat {counter})
if [ "$left" != 0 ]; then
    case "${{1:-}}" in
    -) echo "python3 lacks: torch, transformers" >&2; exit 1 ;;
    -m)
        [ "$left" = ever ] || echo $((left - 1)) > {counter}
        echo "ERROR: Could not install packages due to an OSError: HTTPSConnectionPool: Max \
retries exceeded (Temporary failure in name resolution)"
        exit 1 ;;
    esac
fi
exec {python} "$@"
"""
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
    def kernel_log(self) -> Path:
        """Return the file that dmesg shows."""
        return self.folder / "kernel.log"

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
    files.kernel_log.touch(mode=0o600)
    _write_program(files.programs / "dmesg", ["cat", str(files.kernel_log)], passes_arguments=False)
    _write_python(files, image_python=image_python, script=script)


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
        _write_failing_nvidia_smi(files, says=NO_DRIVER, status=NO_DRIVER_STATUS)
        return
    # -I and -S: no site packages and no user settings, so that the stub starts quickly.
    stub = [sys.executable, "-I", "-S", nvidia_smi.__file__, str(files.gpus)]
    _write_program(files.programs / "nvidia-smi", stub)


def lose_gpu(files: MachineFiles) -> None:
    """Let nvidia-smi say from now on that the GPU is lost."""
    _write_failing_nvidia_smi(files, says=GPU_LOST, status=GPU_LOST_STATUS)


def note_in_kernel_log(files: MachineFiles, line: str) -> None:
    """Add a line to what dmesg shows, with the seconds since the boot of this computer."""
    with files.kernel_log.open("a", encoding="utf-8") as log:
        log.write(f"[{time.monotonic():12.6f}] {line}\n")


def _write_failing_nvidia_smi(files: MachineFiles, *, says: str, status: int) -> None:
    command = ["/bin/sh", "-c", f"echo {shlex.quote(says)}; exit {status}"]
    _write_program(files.programs / "nvidia-smi", command)


def _write_python(files: MachineFiles, *, image_python: Path, script: LifeScript) -> None:
    program = files.programs / "python3"
    if not script.has("install_fails"):
        # A link would not do: a virtual environment is found by the path its python is called by.
        _write_program(program, [str(image_python)])
        return
    counter = files.folder / "install-fails"
    tries = script.faults["install_fails"]["tries"]
    counter.write_text("ever" if tries is None else str(int(tries)), encoding="utf-8")
    text = INSTALL_FAILS.format(
        counter=shlex.quote(str(counter)), python=shlex.quote(str(image_python))
    )
    write_script(program, text)


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


def _write_program(path: Path, command: list[str], *, passes_arguments: bool = True) -> None:
    arguments = ' "$@"' if passes_arguments else ""
    write_script(path, f"#!/bin/sh\nexec {shlex.join(command)}{arguments}\n")


def write_script(path: Path, text: str) -> None:
    """Write a program whole at once: somebody may be running the one that it replaces."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.chmod(0o700)
    part.replace(path)
