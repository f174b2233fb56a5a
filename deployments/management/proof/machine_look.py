"""What one login shows of a rented machine: its image, its Python, its driver, its rights."""

import shlex
from collections.abc import Iterator

from deployments import clouds
from deployments.management.proof.report import Fact
from deployments.models import Machine
from deployments.remote import connect
from deployments.training.job_file import run_folder

COMMAND_SECONDS = 30
ASK_FOR_STATUS = "curl -s -o /dev/null -m 10 -w '%{http_code}'"
VALUE_CHARACTERS = 200
# Questions, each answered in one line by a command that changes nothing.
QUESTIONS = (
    ("image", '. /etc/os-release && echo "$PRETTY_NAME"'),
    ("kernel and architecture", "uname -rm"),
    ("login user", "id -un"),
    ("system python3", "python3 --version"),
    (
        "torch of the system python3",
        "python3 -c 'import torch; print(torch.__version__, torch.version.cuda)' 2>/dev/null",
    ),
    (
        "NVIDIA driver, card",
        "nvidia-smi --query-gpu=driver_version,name,memory.total --format=csv,noheader",
    ),
    ("sudo without a password", "sudo -n true 2>/dev/null && echo yes"),
    ("docker", "command -v docker"),
    ("conda", "command -v conda"),
    ("home, size and free", 'df -h --output=size,avail "$HOME" | tail -n 1'),
    ("page size", "getconf PAGESIZE"),
)


def look(machine: Machine) -> tuple[int, list[Fact]]:
    """Log in once; return how many lines the run log has, and the facts.

    Raises: RemoteError when the machine cannot be reached.
    """
    api = shlex.quote(f"{clouds.endpoint(machine.platform).base_url}/instances")
    outbound = ("outbound, to the cloud's own API", f"{ASK_FOR_STATUS} {api}")
    with connect(clouds.ssh_target(machine)) as remote:
        log = f"{run_folder(machine.name)}/run.jsonl"
        counted = remote.run(f"wc -l < {log}", timeout_seconds=COMMAND_SECONDS)
        told = [
            (what, remote.run(command, timeout_seconds=COMMAND_SECONDS).stdout)
            for what, command in (*QUESTIONS, outbound)
        ]
    lines = int(counted.stdout) if counted.stdout.strip().isdigit() else 0
    return lines, list(_facts(told))


def _facts(told: list[tuple[str, str]]) -> Iterator[Fact]:
    for what, text in told:
        value = " ".join(text.split())[:VALUE_CHARACTERS]
        yield Fact("machine", what, value or "none")
