"""The kinds of fault: what each does, where in a call it acts, what may be set about it.

``python -m sandbox.fault_kinds`` prints the table of docs/sandbox.md; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal[
    # One HTTP call, in this order.
    "delay_before", "before", "capacity", "order", "list", "terminate", "delay_after", "after",
    # The life of the machine that a launch starts; each stage is a matter of its own.
    "boot", "listing", "address", "ssh_start", "host_key", "gpu", "stand_in", "disk", "install",
    "reboot", "process", "port", "log",
    # A connection, a command.
    "ssh", "exec",
]  # fmt: skip

LIFE_STAGES: tuple[Stage, ...] = (
    "boot", "listing", "address", "ssh_start", "host_key", "gpu", "stand_in", "disk", "install",
    "reboot", "process", "port", "log",
)  # fmt: skip

CALLS = (
    "launch", "list", "get", "rename", "restart", "terminate", "instance-types", "ssh-keys",
    "regions", "images", "file-systems", "firewall-rules", "firewall-rulesets", "audit-events",
    # RunPod's alone: start, stop and reset; log; bill; balance.
    "action", "logs", "billing", "account",
)  # fmt: skip
# An SSH connection to a machine, a command on one.
SSH, EXEC = "ssh", "exec"
OPERATIONS = (*CALLS, SSH, EXEC)


@dataclass(frozen=True)
class Kind:
    """What a kind of fault may be put on, where it acts, its values' defaults, and its meaning."""

    text: str
    stage: Stage
    stage_after_commit: Stage | None = None
    operations: tuple[str, ...] = CALLS
    values: Mapping[str, object] = field(default_factory=dict)


def _launched(text: str, stage: Stage, **values: object) -> Kind:
    return Kind(text, stage, operations=("launch",), values=values)


def _connection(text: str, **values: object) -> Kind:
    return Kind(text, "ssh", operations=(SSH,), values={"machine": None, **values})


KINDS: Mapping[str, Kind] = {
    "drop_before_commit": Kind(
        "The call is lost on its way: nothing happens, the connection closes (F17)", "before"
    ),
    "drop_after_commit": Kind(
        "The call acts and its answer is lost: the connection closes (F17)", "after"
    ),
    "status": Kind(
        "Any status and body, by default those that Lambda sends with this status; ``commit`` true "
        "acts first (F11, F14 to F16, F22, F56, F58, F64, F66)",
        "before",
        stage_after_commit="after",
        values={"status": 503, "body": None, "headers": {}, "retry_after": None, "commit": False},
    ),
    "garbage": Kind("The call acts and answers 200 with JSON cut in the middle (F16)", "after"),
    "delay": Kind(
        "The answer takes longer; ``commit`` true acts before the wait (F17)",
        "delay_before",
        stage_after_commit="delay_after",
        values={"seconds": 1.0, "commit": False},
    ),
    "capacity": Kind(
        "Refused for capacity although the catalogue says yes (F13); on ``action``, a stopped pod "
        "finds its host full",
        "capacity",
        operations=("launch", "action"),
    ),
    "two_ids": _launched("One launch starts two machines and answers both ids (F21)", "order"),
    "wrong_type": _launched(
        "A machine of another type is started (F21)", "order", instance_type="gpu_1x_a100"
    ),
    "wrong_region": _launched(
        "The machine is started in another region (F21)", "order", region="us-west-1"
    ),
    "empty_list": Kind("The list is empty by mistake (F28, F68)", "list", operations=("list",)),
    "truncated_list": Kind(
        "The list shows its first ``keep`` machines only (F68)",
        "list",
        operations=("list",),
        values={"keep": 1},
    ),
    "stale_list": Kind(
        "The list is what it was at the call before (F18, F68)", "list", operations=("list",)
    ),
    "foreign_list": Kind(
        "The list is that of another account (F68)", "list", operations=("list",)
    ),
    "ok_but_alive": Kind(
        "Terminate answers as if, and nothing happens (F65)", "terminate", operations=("terminate",)
    ),
    "stuck_terminating": Kind(
        "The machine ends, but stays ``terminating`` and on the bill for ``seconds``, null for "
        "ever (F67)",
        "terminate",
        operations=("terminate",),
        values={"seconds": None},
    ),
    "boot_never_ends": _launched("The machine stays ``booting`` for ever (F25)", "boot"),
    "unhealthy": _launched(
        "The machine becomes ``unhealthy`` in place of ``active`` (F26)", "boot"
    ),
    "unhealthy_later": _launched(
        "``unhealthy`` some seconds after ``active``; SSH goes on (F50)", "boot", seconds=0.0
    ),
    "preempted": _launched(
        "``preempted`` some seconds after ``active``: processes, files and bill end (F48)",
        "boot",
        seconds=0.0,
    ),
    "vanish": _launched(
        "Gone without a word some seconds after ``active`` (F28, F49)", "boot", seconds=0.0
    ),
    "hide_from_list": _launched(
        "The list shows the machine only some seconds after its launch (F18)",
        "listing",
        seconds=5.0,
    ),
    "ip_late": _launched(
        "``active`` without an address, which comes some seconds later (F27)",
        "address",
        seconds=1.0,
    ),
    "ip_changes": _launched(
        "Another address some seconds after ``active``, with the same host key; the old one "
        "refuses (F27)",
        "address",
        seconds=1.0,
    ),
    "ssh_refused": _launched(
        "SSH refuses connections for ``seconds`` after ``active``, null for ever (F29)",
        "ssh_start",
        seconds=None,
    ),
    "host_key_ignored": _launched(
        "The image ignores the injected host key and makes its own (F30)", "host_key"
    ),
    "gpu_other": _launched(
        "nvidia-smi shows the GPUs of another type (F32)", "gpu", instance_type="gpu_1x_rtx6000"
    ),
    "gpu_fails": _launched("nvidia-smi finds no driver and exits with 9 (F31)", "gpu"),
    "gpu_lost": _launched(
        "nvidia-smi says some seconds after ``active`` that the GPU is lost, and exits with 15 "
        "(F46)",
        "gpu",
        seconds=0.0,
    ),
    "no_stand_in": _launched(
        "The image does not declare that a CPU stands in for its GPU, so the GPU is looked for "
        "(F31)",
        "stand_in",
    ),
    "disk_full": _launched(
        "SFTP may write ``bytes`` more, then fails; Python programs are told of no more free "
        "space than that (F35)",
        "disk",
        bytes=0,
    ),
    "install_fails": _launched(
        "The packages that training needs are missing and cannot be fetched, ``tries`` times, null "
        "for ever (F33)",
        "install",
        tries=None,
    ),
    "reboot": _launched(
        "Reboots by itself some seconds after ``active``: processes end, files and address stay, "
        "SSH is away as long as a boot takes (F52)",
        "reboot",
        seconds=0.0,
    ),
    "signal": _launched(
        "The first process with the argument ``process`` gets ``signal`` some seconds after it was "
        "seen; dmesg then shows ``kernel_says`` (F43, F44, F46, F51)",
        "process",
        process="train.py",
        signal="KILL",
        kernel_says="",
        seconds=0.0,
    ),
    "never_placed": _launched(
        "No host is found: a pod stays ``PROVISIONING`` for ever, an instance ``booting`` (F25)",
        "boot",
    ),
    "stale_port": _launched(
        "RunPod only: after a restart or start the old public port is shown for ``seconds``",
        "port",
        seconds=5.0,
    ),
    "log_without_host_keys": _launched(
        "RunPod only: the log holds no fingerprints of host keys (F30)", "log"
    ),
    "ssh_reset": _connection("The connection is reset before a word is said (F29)"),
    "ssh_hang": _connection("The connection is taken and never answered (F29)"),
    "ssh_slow_banner": _connection("The server's first line takes a while (F29)", seconds=5.0),
    "ssh_auth_refused": _connection("No key may log in (F29)"),
    "ssh_wrong_host_key": _connection("The server shows another host key (F30)"),
    "ssh_cut": _connection(
        "The connection is reset after so many bytes, both directions counted (F34, F60)",
        bytes=65536,
    ),
    "ssh_throttle": _connection(
        "Either direction carries so many bytes a second at most (F60)", bytes_per_second=65536
    ),
    "exec_unanswered": Kind(
        "A command that holds the text ``contains`` is run to its end; in place of its answer the "
        "connection is reset (F39)",
        "exec",
        operations=(EXEC,),
        values={"machine": None, "contains": ""},
    ),
}  # fmt: skip


def table() -> str:
    """Return the kinds as a Markdown table, in the order in which they are declared."""
    lines = ["| kind | on | values and their defaults | what happens |", "|---|---|---|---|"]
    for name, kind in KINDS.items():
        places = "any call" if kind.operations == CALLS else ", ".join(kind.operations)
        values = ", ".join(f"`{key}` {_shown(value)}" for key, value in kind.values.items())
        lines.append(f"| `{name}` | {places} | {values} | {kind.text.replace('``', '`')} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)


if __name__ == "__main__":
    print(table(), end="")
