"""Why a program of the run ended as it did: exit status, last words and the kernel's log (F46).

Standard library only.
"""

from __future__ import annotations

import re
import signal
from typing import Any, Mapping, Sequence

from agent_failures import CODE_OF_STATUS, RunFailedError, code_of_text, failure
from agent_kernel import KernelNews

TAIL_LINES = 8
CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
)
# What a broken card can look like from inside a program.
MAY_BE_HARDWARE = frozenset({"E_CUDA", "E_CUDA_KERNEL", "E_NCCL", "E_CRASH", "E_TRAINING"})
NOTHING_TOLD = KernelNews()
# ChildFailedError of torch.distributed.elastic (torch 2.13).
_REPORTED = re.compile(r"\s*exitcode\s*: (-?\d+) \(pid: \d+\)")


def explain_exit(
    status: int,
    *,
    tail: Sequence[str],
    job: Mapping[str, Any],
    machine: Mapping[str, Any],
    kernel: KernelNews = NOTHING_TOLD,
    own: RunFailedError | None = None,
) -> RunFailedError:
    """Return what an exit means; ``own`` is what the program said of its failure itself.

    torchrun answers 1; how the process that ended first ended stands at the end of what it says.

    ``tail`` are its last lines, ``machine`` the newest figures of the heartbeat. A GPU that failed
    by the kernel's log is the reason, whatever the program made of it.
    """
    if status == 1:
        status = _of_processes(tail) or status
    found = own or _by_status(status, tail=tail, job=job, machine=machine, kernel=kernel)
    if kernel.hardware_fault and found.code in MAY_BE_HARDWARE:
        detail = f"The kernel says: {kernel.hardware_fault} {_last(tail)}"
        return failure("E_XID", job=job, detail=detail.strip())
    if kernel.killed_for_memory and found.code in ("E_TRAINING", "E_CRASH"):
        # A helper process of the training was killed, and the training ended over it.
        return _out_of_ram(job, machine=machine, kernel=kernel)
    return found


def _of_processes(tail: Sequence[str]) -> int | None:
    """Return the exit status in torchrun's report; the root cause is its last part."""
    found = [match for line in tail if (match := _REPORTED.match(line))]
    return int(found[-1].group(1)) if found else None


def _by_status(
    status: int,
    *,
    tail: Sequence[str],
    job: Mapping[str, Any],
    machine: Mapping[str, Any],
    kernel: KernelNews,
) -> RunFailedError:
    if status == -signal.SIGKILL and kernel.killed_for_memory:
        return _out_of_ram(job, machine=machine, kernel=kernel)
    if status < 0:
        return _ended_by_signal(-status, tail=tail, job=job, machine=machine)
    code = CODE_OF_STATUS.get(status, "E_TRAINING")
    if code == "E_TRAINING":
        code = code_of_text("\n".join(tail))
    detail = f"{_memory(machine)} {_last(tail)}" if code == "E_HOST_OOM" else _last(tail)
    return failure(code, job=job, detail=detail.strip())


def _ended_by_signal(
    number: int, *, tail: Sequence[str], job: Mapping[str, Any], machine: Mapping[str, Any]
) -> RunFailedError:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number not in CRASHES:
        detail = f"It was ended by {name}, and not by us.{_memory(machine)} {_last(tail)}"
        return failure("E_KILLED", job=job, detail=detail.strip())
    # A C++ exception that nobody catches aborts; what it was stands in the last words.
    code = code_of_text("\n".join(tail))
    if code == "E_TRAINING":
        return failure("E_CRASH", job=job, detail=f"({name}) {_last(tail)}".strip())
    return failure(code, job=job, detail=_last(tail))


def _out_of_ram(
    job: Mapping[str, Any], *, machine: Mapping[str, Any], kernel: KernelNews
) -> RunFailedError:
    said = f" The kernel says: {kernel.memory_line}" if kernel.memory_line else ""
    return failure("E_HOST_OOM", job=job, detail=f"{_memory(machine)}{said}".strip())


def _memory(machine: Mapping[str, Any]) -> str:
    total, used = machine.get("memory_total_bytes"), machine.get("memory_used_bytes")
    if not isinstance(total, int) or not isinstance(used, int):
        return ""
    return f" Last seen: {used / 1024**3:.1f} of {total / 1024**3:.1f} GiB of memory used."


def _last(tail: Sequence[str]) -> str:
    lines = [line for line in tail if line.strip()][-TAIL_LINES:]
    return "It said last: " + " | ".join(lines)[-1500:] if lines else ""
