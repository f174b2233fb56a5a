"""What is shown of a rented machine: its facts, and the proof that it is gone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from deployments.models import Machine
from deployments.overview import NOT_STARTED, MachineOverview
from deployments.templatetags.wording import duration, moment, size

# After so long without a good list that shows it, a machine counts as not confirmed.
CONFIRMED_FOR_SECONDS = 60.0
STATUS_WORDS = {
    "requested": "asked for, not confirmed yet",
    "booting": "booting",
    "active": "running",
    "unhealthy": "unhealthy, says the cloud",
    "preempted": "taken away by the cloud",
    "terminating": "ending, bills until proven gone",
    "terminated": "ended, says the cloud; not proven yet",
    "unknown": "in a state we do not know",
    "gone": "proven gone",
    "refused": "refused, nothing was started",
    "never_seen": "never appeared, nothing was started",
}


@dataclass(frozen=True)
class Step:
    """One step of the proof; ``at`` is None while it is open."""

    text: str
    at: datetime | None
    is_last: bool = False


@dataclass(frozen=True)
class Freshness:
    """When the cloud last confirmed the machine, in words; ``is_good`` False: too long ago."""

    text: str
    is_good: bool


@dataclass(frozen=True)
class MachineFacts:
    """A machine with its figures worded, its proof, and what it tells of itself."""

    machine: MachineOverview
    cloud: str
    gpu: str
    status: str
    proof: tuple[Step, ...]
    billed_seconds: float | None
    is_stand_in: bool
    figures: tuple[tuple[str, str], ...]


class Described(Protocol):
    """Whatever says which cards a machine has."""

    @property
    def description(self) -> str: ...

    @property
    def instance_type(self) -> str: ...


def gpu_words(machine: Described) -> str:
    """Return the cards without their memory, "1x A10" with a real times sign, or the type."""
    described = machine.description.partition("(")[0].strip()
    return described.replace("x ", "\N{MULTIPLICATION SIGN} ", 1) or machine.instance_type


def facts(
    machine: MachineOverview,
    row: Machine,
    *,
    cloud: str,
    heartbeat: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> MachineFacts:
    """Return what is shown of a machine; ``row`` has the times that ``machine`` leaves out."""
    stand_in = bool((environment or {}).get("cpu_stand_in"))
    return MachineFacts(
        machine=machine,
        cloud=cloud,
        gpu=gpu_words(machine),
        status=_status(machine),
        proof=proof(machine, row, cloud=cloud),
        billed_seconds=billed_seconds(row),
        is_stand_in=stand_in,
        figures=(
            *_environment(environment or {}),
            *_heartbeat(heartbeat or {}, has_gpu=not stand_in),
        ),
    )


def _status(machine: MachineOverview) -> str:
    words = STATUS_WORDS.get(machine.status, machine.status)
    if machine.kept_until is None:
        return words
    return f"{words}, kept until {moment(machine.kept_until)}: it bills"


def proof(machine: MachineOverview, row: Machine, *, cloud: str) -> tuple[Step, ...]:
    """Return the steps that prove a machine gone (D3): asked, accepted, and two lists."""
    if machine.status in NOT_STARTED:
        return ()
    gone = machine.gone_at is not None
    last = "Second list: gone"
    if gone and row.absent_since and row.absent_until:
        apart = (row.absent_until - row.absent_since).total_seconds()
        last = f"Second list, {duration(apart)} later: gone"
    asked = [
        Step(f"We asked {cloud} to end it", row.terminate_requested_at),
        Step(f"{cloud} accepted", row.terminate_accepted_at),
    ]
    if gone and row.terminate_requested_at is None:
        asked = [Step("It disappeared without our asking", row.absent_since)]
    return (
        *asked,
        Step("First account list without it", row.absent_since),
        Step(last, row.absent_until if gone else None, is_last=True),
    )


def billed_seconds(machine: Machine) -> float | None:
    """Return the time that is paid, in whole quanta of the cloud; None until it is over."""
    if machine.gone_at is None:
        return None
    used = (machine.gone_at - machine.requested_at).total_seconds()
    quantum = machine.billing_quantum_seconds
    return -(-used // quantum) * quantum


def freshness(machine: MachineOverview, *, cloud: str, now: datetime) -> Freshness:
    """Say when the cloud last confirmed that the machine is there."""
    if machine.seen_at is None:
        asked = (now - machine.requested_at).total_seconds()
        return Freshness(
            f"{cloud} has not listed the machine yet", is_good=asked < CONFIRMED_FOR_SECONDS
        )
    seconds = (now - machine.seen_at).total_seconds()
    if seconds < CONFIRMED_FOR_SECONDS:
        return Freshness(f"{cloud} confirmed the machine {duration(seconds)} ago", is_good=True)
    return Freshness(f"Not confirmed by {cloud} for {duration(seconds)}", is_good=False)


def _environment(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    gpu = told.get("gpu")
    if isinstance(gpu, Mapping) and gpu.get("name"):
        found.append(("GPU, as it names itself", str(gpu["name"])[:80]))
    versions = told.get("versions")
    if isinstance(versions, Mapping):
        wanted = ("python", "torch", "transformers", "trl", "peft")
        named = [f"{name} {str(versions[name])[:40]}" for name in wanted if versions.get(name)]
        if named:
            found.append(("Software", ", ".join(named)))
    return found


def _heartbeat(told: Mapping[str, Any], *, has_gpu: bool) -> list[tuple[str, str]]:
    """Word the newest figures of the agent; what it does not tell is left out."""
    found = []
    gpus = told.get("gpus")
    if has_gpu and isinstance(gpus, list) and gpus and isinstance(gpus[0], Mapping):
        found += _gpu(gpus[0])
    if _number(told.get("cpu_percent")) is not None:
        cores = f" of {told['cpu_count']} cores" if told.get("cpu_count") else ""
        found.append(("CPU", f"{told['cpu_percent']:.0f} %{cores}"))
    used, total = _number(told.get("memory_used_bytes")), _number(told.get("memory_total_bytes"))
    if used is not None and total is not None:
        found.append(("Memory", f"{size(int(used))} of {size(int(total))}"))
    free = _number(told.get("disk_free_bytes"))
    if free is not None:
        found.append(("Disk", f"{size(int(free))} free"))
    if (limit := _number(told.get("control_silence_limit_seconds"))) is not None:
        found.append(("If this server falls silent", _dead_man(limit)))
    return found


def _dead_man(limit_seconds: float) -> str:
    """Say what the machine does by itself, and what it cannot do."""
    return (
        f"for {duration(limit_seconds)}, the machine saves and stops training. That does not end "
        "its bill: python manage.py reap on a second host does"
    )


def _gpu(gpu: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    if _number(gpu.get("utilization_percent")) is not None:
        found.append(("GPU use", f"{gpu['utilization_percent']:.0f} %"))
    used, total = _number(gpu.get("memory_used_mib")), _number(gpu.get("memory_total_mib"))
    if used is not None and total is not None:
        found.append(("GPU memory", f"{used / 1024:.1f} of {total / 1024:.0f} GiB"))
    if _number(gpu.get("temperature_celsius")) is not None:
        found.append(("GPU temperature", f"{gpu['temperature_celsius']:.0f} °C"))
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
