"""A stub of nvidia-smi, as far as a client that looks at its machine asks.

A program of its own that needs the standard library alone; on a machine it is called with the
file of facts about the GPUs first, then with the user's arguments. The GPUs do not exist: they
are idle for ever, and the image declares its CPU stand-in elsewhere.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

DRIVER_VERSION = "570.148.08"
CUDA_VERSION = "12.8"

Gpu = Mapping[str, str]

# Name of the query -> (key in the file of facts, unit).
QUERIES: Mapping[str, tuple[str, str]] = {
    "index": ("index", ""),
    "gpu_name": ("name", ""),
    "name": ("name", ""),
    "gpu_uuid": ("uuid", ""),
    "uuid": ("uuid", ""),
    "count": ("count", ""),
    "driver_version": ("driver_version", ""),
    "compute_cap": ("compute_cap", ""),
    "memory.total": ("memory.total", " MiB"),
    "memory.used": ("memory.used", " MiB"),
    "memory.free": ("memory.free", " MiB"),
    "utilization.gpu": ("utilization.gpu", " %"),
    "utilization.memory": ("utilization.memory", " %"),
    "temperature.gpu": ("temperature.gpu", ""),
    "power.draw": ("power.draw", " W"),
    "power.limit": ("power.limit", " W"),
}


def gpu_facts(*, uuids: list[str], name: str, memory_mib: int, compute_cap: str) -> list[Gpu]:
    """Return the file of facts of a machine with one GPU per given uuid."""
    return [
        {
            "index": str(index),
            "name": name,
            "uuid": uuid,
            "count": str(len(uuids)),
            "driver_version": DRIVER_VERSION,
            "compute_cap": compute_cap,
            "memory.total": str(memory_mib),
            "memory.used": "1",
            "memory.free": str(memory_mib - 1),
            "utilization.gpu": "0",
            "utilization.memory": "0",
            "temperature.gpu": "30",
            "power.draw": "25.00",
            "power.limit": "300.00",
        }
        for index, uuid in enumerate(uuids)
    ]


def answer(gpus: list[Gpu], arguments: list[str]) -> tuple[int, str]:
    """Return the exit status and the text for these arguments."""
    if not arguments:
        return 0, _table(gpus)
    if arguments in (["-L"], ["--list-gpus"]):
        return 0, "".join(f"GPU {g['index']}: {g['name']} (UUID: {g['uuid']})\n" for g in gpus)
    query, layout = "", ""
    for argument in arguments:
        option, _, value = argument.partition("=")
        if option == "--query-gpu":
            query = value
        elif option == "--format":
            layout = value
        else:
            return 2, f"Invalid combination of input arguments: {argument} is not known here.\n"
    return _query(gpus, names=query.split(","), layout=[part.strip() for part in layout.split(",")])


def _query(gpus: list[Gpu], *, names: list[str], layout: list[str]) -> tuple[int, str]:
    names = [name.strip() for name in names]
    for name in names:
        if name not in QUERIES:
            return 2, f'Field "{name}" is not a valid field to query.\n'
    if "csv" not in layout:
        return 2, 'The argument "--format" must name csv.\n'
    shown: Callable[[str], str] = (
        (lambda _name: "") if "nounits" in layout else (lambda name: QUERIES[name][1])
    )
    lines = [", ".join(g[QUERIES[name][0]] + shown(name) for name in names) for g in gpus]
    if "noheader" not in layout:
        lines.insert(0, ", ".join(_heading(name, shown(name)) for name in names))
    return 0, "\n".join(lines) + "\n"


def _heading(name: str, unit: str) -> str:
    return f"{name} [{unit.strip()}]" if unit else name


def _table(gpus: list[Gpu]) -> str:
    rule = "+" + "-" * 78 + "+"
    lines = [rule]
    lines.append(
        f"| {f'NVIDIA-SMI {DRIVER_VERSION}':<27}{f'Driver Version: {DRIVER_VERSION}':<29}"
        f"{f'CUDA Version: {CUDA_VERSION}':<21}|"
    )
    lines.append(rule)
    for gpu in gpus:
        memory = f"{gpu['memory.used']}MiB / {gpu['memory.total']}MiB"
        lines.append(
            f"| {gpu['index']:>3}  {gpu['name']:<26} {gpu['temperature.gpu']}C  "
            f"{memory:<24}{gpu['utilization.gpu'] + '%':<16}|"
        )
    lines.append(rule)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the answer for the command line."""
    facts: list[Gpu] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    status, text = answer(facts, sys.argv[2:])
    sys.stdout.write(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
